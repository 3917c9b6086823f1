{#
    What a tombstone keeps of the name of an erased record: enough to know it again, too little to
    find out whose it was.
#}
{% macro erased_record(record_key) -%}
    {{ keyed_hash("'erased:' || " ~ record_key) }}
{%- endmacro %}
