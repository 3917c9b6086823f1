{#
    The chance that a customer buys in the next weeks, by MBG/NBD; as in alive_chance, with weeks
    among the parameters.
#}
{% macro purchase_chance(histories, parameters) -%}
    {{ alive_chance(histories, parameters) }} * (
        1 - power(
            ({{ parameters }}.alpha + {{ histories }}.tenure_days / 7.0)
            / ({{ parameters }}.alpha + {{ histories }}.tenure_days / 7.0 + {{ parameters }}.weeks),
            {{ parameters }}.r + {{ histories }}.repeat_days
        )
    )
{%- endmacro %}
