{#
    The rows of an incremental model as they stand, for an increment that writes only what became
    different. In a full build none stand yet.
    Args: arrived, a CTE with the columns of the model, which a full build takes their types from.
#}
{% macro standing_rows(arrived) -%}
    {%- if is_incremental() -%}
        select * from {{ this }}
    {%- else -%}
        select * from {{ arrived }} where false
    {%- endif -%}
{%- endmacro %}
