{#
    A bound of Wilson's score interval of a rate, which holds for few customers and rates near 0:
    (p + z^2 / 2n -+ z * sqrt(p * (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    Args: rate, count, z, the normal quantile; side, - for the lower bound and + for the upper.
#}
{% macro wilson_bound(rate, count, z, side) -%}
    (
        (
            {{ rate }} + {{ z }} * {{ z }} / (2 * {{ count }})
            {{ side }} {{ z }} * sqrt(
                {{ rate }} * (1 - {{ rate }}) / {{ count }}
                + {{ z }} * {{ z }} / (4.0 * {{ count }} * {{ count }})
            )
        )
        / (1 + {{ z }} * {{ z }} / {{ count }})
    )
{%- endmacro %}
