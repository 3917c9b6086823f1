{#
    Rank of a value in its population between 0 and 1, equal values sharing the middle of their
    ranks: no tie is broken, so the order of the input cannot change a score.
    Args: ordering like 'monetary' or 'recency_days desc'; partition, the population's columns.
#}
{% macro mid_rank(ordering, partition) -%}
    (
        percent_rank() over (partition by {{ partition }} order by {{ ordering }})
        + cume_dist() over (partition by {{ partition }} order by {{ ordering }})
    ) / 2
{%- endmacro %}
