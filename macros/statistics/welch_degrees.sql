{#
    Degrees of freedom of the difference of two means of unequal variance (Welch and
    Satterthwaite): (v1/n1 + v0/n0)^2 / ((v1/n1)^2 / (n1 - 1) + (v0/n0)^2 / (n0 - 1)). NULL when
    neither varies or one has a single customer.
    Args: variance and count of the treated, of the control.
#}
{% macro welch_degrees(treated_variance, treated_count, control_variance, control_count) -%}
    (
        power(
            {{ treated_variance }} / {{ treated_count }}
            + {{ control_variance }} / {{ control_count }},
            2
        )
        / nullif(
            power({{ treated_variance }} / {{ treated_count }}, 2)
            / nullif({{ treated_count }} - 1, 0)
            + power({{ control_variance }} / {{ control_count }}, 2)
            / nullif({{ control_count }} - 1, 0),
            0
        )
    )
{%- endmacro %}
