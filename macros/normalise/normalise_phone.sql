{#
    A typed phone number as + and digits; NULL when it cannot be one (fewer than 8 or more than
    15 digits). International is what has a + or begins with 00, or with the calling code of the
    brand's country and is too long to be a number within it. Any other number gets that calling
    code, without one NULL: a guess would join strangers. A trunk zero is dropped, "(0)" as well.
    Args: phone as typed; calling_code like '48', may be NULL.
#}
{% macro normalise_phone(phone, calling_code) -%}
    {%- set digits = "regexp_replace(replace(" ~ phone ~ ", '(0)', ''), '[^0-9]', '', 'g')" -%}
    nullif(
        regexp_extract(
            case
                when contains({{ phone }}, '+') or starts_with({{ digits }}, '00')
                    then '+' || ltrim({{ digits }}, '0')
                when
                    starts_with({{ digits }}, {{ calling_code }})
                    and length({{ digits }}) >= 9 + length({{ calling_code }})
                    then '+' || {{ digits }}
                else '+' || {{ calling_code }} || ltrim({{ digits }}, '0')
            end,
            '^\+[0-9]{8,15}$'
        ),
        ''
    )
{%- endmacro %}
