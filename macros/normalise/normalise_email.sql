{#
    A typed e-mail address in lower case without white space, its domain in ASCII (xn--...); NULL
    when it is no address. Short addresses of plain letters are read here; everything else
    (other alphabets, xn--, more than 64 characters, what looks wrong) by
    orchestration/warehouse/functions. So nothing here decides what is an address, only what is
    one for certain: two hyphens together and domains that no mail reaches are not.
#}
{% macro normalise_email(email) -%}
    {#- An address of up to 64 characters has no part that is too long. -#}
    {%- set typed -%}
        lower(regexp_replace({{ email }}, '[\s\x{00a0}\x{200b}]+', '', 'g'))
    {%- endset -%}
    {%- set letters = "[a-z0-9_!#$%&''*+/=?^`{|}~-]+" -%}
    {%- set label = "[a-z0-9]+(?:-[a-z0-9]+)*" -%}
    coalesce(
        case
            when length({{ email }}) <= 64
                then nullif(
                    regexp_replace(
                        regexp_extract(
                            {{ typed }},
                            '^{{ letters }}(?:[.]{{ letters }})*@(?:{{ label }}[.])+[a-z]{2,}$'
                        ),
                        '^.*[.](?:arpa|invalid|local|localhost|onion|test)$',
                        ''
                    ),
                    ''
                )
        end,
        email_by_library({{ email }})
    )
{%- endmacro %}
