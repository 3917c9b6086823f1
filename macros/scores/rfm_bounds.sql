{#
    The cut points of marts.rfm_cut_points with those of a brand and month in one row, in columns
    like recency_4: what the macro rfm_score reads.
    Args: cut_points, a CTE.
#}
{% macro rfm_bounds(cut_points) -%}
    select
        brand_id,
        valid_from,
        {%- for dimension in ['recency', 'frequency', 'monetary'] %}
        {%- for score in [1, 2, 3, 4, 5] %}
        max(case when dimension = '{{ dimension }}' and score = {{ score }} then at_least end)
            as {{ dimension }}_{{ score }},
        {%- endfor %}
        {%- endfor %}
        max(population) as population,
        max(case when dimension = 'recency' then method end) as method
    from {{ cut_points }}
    group by brand_id, valid_from
{%- endmacro %}
