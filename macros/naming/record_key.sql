{# One text for a source record: system:entity:id. NULL when the id is NULL. #}
{% macro record_key(source_system, source_entity, source_record_id) -%}
    {{ source_system }} || ':{{ source_entity }}:' || {{ source_record_id }}
{%- endmacro %}
