{#
    Condition of a test on a relation with the column load_id: true for the rows that no build
    which passed its tests has seen, so that a test costs what changed. The build passes the last
    load that was tested as the var tested_load_id; without it everything is tested.
#}
{% macro untested() -%}
    {%- if var("tested_load_id") is none -%}
        true
    {%- else -%}
        load_id > {{ var("tested_load_id") }}
    {%- endif -%}
{%- endmacro %}
