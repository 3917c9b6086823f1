{#
    One strong test per table: its grain. Fails with a row for each key that is NULL in a column
    or that stands more than once; the row tells which and how often, never the key itself.
    Where rows carry a load_id, only keys of rows that are new since the last test are counted.
#}
{% test grain(model, columns) %}
{%- set key = columns | join(', ') -%}
{%- set is_null = columns | join(' is null or ') ~ ' is null' -%}
{%- set has_load_id = execute
    and var("tested_load_id") is not none
    and "load_id" in adapter.get_columns_in_relation(model) | map(attribute="name") -%}
select
    count(*) as row_count,
    max({{ is_null }}) as has_null
from {{ model }}
{%- if has_load_id %}
where ({{ is_null }}) or ({{ key }}) in (select ({{ key }}) from {{ model }} where {{ untested() }})
{%- endif %}
group by {{ key }}
having count(*) > 1 or max({{ is_null }})
{% endtest %}
