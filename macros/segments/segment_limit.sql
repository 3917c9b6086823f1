{#
    A number of a segment's rule, from seeds/segments/segment_limits.csv, where marketers change it.
    A row that is missing lets nobody into the segment; a test compares both.
#}
{% macro segment_limit(segment_id, limit_name) -%}
    (
        select limits.value
        from {{ ref('segment_limits') }} as limits
        where limits.segment_id = '{{ segment_id }}' and limits.limit_name = '{{ limit_name }}'
    )
{%- endmacro %}
