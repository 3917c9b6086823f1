{#
    Score from 1 to 5 of a value by cut points: the number of bounds that it reaches. More days
    are a lower score, more orders and money a higher one; the lowest score has no bound.
    Args: value, a number that is not NULL; dimension; bounds, the rows of the macro rfm_bounds.
#}
{% macro rfm_score(value, dimension, bounds) -%}
    {%- if dimension == 'recency' -%}
        5
        {%- for score in [4, 3, 2, 1] %}
        - cast({{ value }} >= {{ bounds }}.{{ dimension }}_{{ score }} as integer)
        {%- endfor -%}
    {%- else -%}
        1
        {%- for score in [2, 3, 4, 5] %}
        + cast({{ value }} >= {{ bounds }}.{{ dimension }}_{{ score }} as integer)
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
