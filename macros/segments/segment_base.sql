{#
    The customers that a segment may hold: all but those who asked to be forgotten.
    Every segment starts from it, so that the gate stands once.
#}
{% macro segment_base() -%}
    select * from {{ ref('customers') }} where erasure_requested_at is null
{%- endmacro %}
