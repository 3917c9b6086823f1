{#
    A typed phone number as + and digits; NULL when it cannot be one (fewer than 8 or more than
    15 digits). A number without an international prefix gets the calling code of its brand's
    country, without it NULL: a guess would join strangers.
    Args: phone as typed; calling_code like '48', may be NULL.
#}
{% macro normalise_phone(phone, calling_code) -%}
    nullif(
        regexp_extract(
            case
                when regexp_matches({{ phone }}, '^\s*(\+|00)')
                    then '+' || ltrim(regexp_replace({{ phone }}, '[^0-9]', '', 'g'), '0')
                else '+' || {{ calling_code }}
                    || ltrim(regexp_replace({{ phone }}, '[^0-9]', '', 'g'), '0')
            end,
            '^\+[0-9]{8,15}$'
        ),
        ''
    )
{%- endmacro %}
