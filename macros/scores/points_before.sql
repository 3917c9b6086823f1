{#
    Aggregate: the points that interactions gave a number of days before the as-of day, to the
    hundredth. The inner rounding takes off what floating point leaves below a millionth, so that
    a value of the past is the one that a build of that day finds.
    Reads age_days, valid_days, half_life_days and worth, the points left on the as-of day.
    Args: days, a number.
#}
{% macro points_before(days) -%}
    cast(round(round(
        coalesce(sum(worth) filter (
            where age_days >= {{ days }} and age_days < valid_days + {{ days }}
        ), 0) * power(2, {{ days }} / half_life_days), 6
    ), 2) as decimal(18, 2))
{%- endmacro %}
