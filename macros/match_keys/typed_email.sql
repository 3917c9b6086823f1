{#
    A typed e-mail address in lower case without white space; NULL when it is none. Domains that are
    not in ASCII are read by normalise_email, before.
#}
{% macro typed_email(value) -%}
    {%- set atom = '[^@."(),:;<>\\[\\]\\\\]+' -%}
    {%- set label = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?' -%}
    nullif(
        regexp_extract(
            {{ typed_text(value, keep_spaces=false) }},
            '^{{ atom }}(?:[.]{{ atom }})*@(?:{{ label }}[.])+(?:[a-z]{2,}|xn--[a-z0-9-]+)$'
        ),
        ''
    )
{%- endmacro %}
