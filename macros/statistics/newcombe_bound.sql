{#
    A bound of Newcombe's interval (1998, method 10) of the difference p1 - p0 of two rates, from
    Wilson's bounds l and u of each:
    lower: p1 - p0 - sqrt((p1 - l1)^2 + (u0 - p0)^2)
    upper: p1 - p0 + sqrt((u1 - p1)^2 + (p0 - l0)^2)
    Args: rate and count of the treated, of the control; z, the normal quantile; side, - or +.
#}
{% macro newcombe_bound(treated_rate, treated_count, control_rate, control_count, z, side) -%}
    {%- set other_side = "+" if side == "-" else "-" -%}
    (
        {{ treated_rate }} - {{ control_rate }}
        {{ side }} sqrt(
            power(
                {{ treated_rate }} - {{ wilson_bound(treated_rate, treated_count, z, side) }}, 2
            )
            + power(
                {{ control_rate }} - {{ wilson_bound(control_rate, control_count, z, other_side) }},
                2
            )
        )
    )
{%- endmacro %}
