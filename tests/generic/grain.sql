{#
    One strong test per table: its grain. Fails with a row for each key that is NULL in a column
    or that stands more than once; the row tells which and how often, never the key itself.
#}
{% test grain(model, columns) %}
select
    count(*) as row_count,
    max({{ columns | join(' is null or ') }} is null) as has_null
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or max({{ columns | join(' is null or ') }} is null)
{% endtest %}
