{# The columns of marts.customers that an experiment may name as strata. #}
{% macro stratum_columns() -%}
    main_brand_id lifecycle_stage rfm_segment country gender
{%- endmacro %}
