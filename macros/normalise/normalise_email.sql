{#
    A typed e-mail address in lower case without white space, its domain in ASCII (xn--...); NULL
    when it is no address. Here is read what is plain: up to 64 ASCII characters, so that no part
    is too long, no two hyphens together (xn--), a domain that mail can reach. All else is read by
    orchestration/warehouse/functions.py: nothing below says what is no address.
#}
{% macro normalise_email(email) -%}
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
        case when {{ email }} is not null then email_by_library({{ email }}) end
    )
{%- endmacro %}
