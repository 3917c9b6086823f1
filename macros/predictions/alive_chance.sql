{#
    The chance that a customer has not left for good, by MBG/NBD
    (orchestration/predictions/purchase_models.py; a test holds both to the same numbers).
    histories has repeat_days, days with a purchase after the first; active_days, from the first to
    the last; tenure_days, from the first to today. parameters has r, alpha (in weeks), a and b.
#}
{% macro alive_chance(histories, parameters) -%}
    1 / (
        1 + {{ parameters }}.a / ({{ parameters }}.b + {{ histories }}.repeat_days)
        * power(
            ({{ parameters }}.alpha + {{ histories }}.tenure_days / 7.0)
            / ({{ parameters }}.alpha + {{ histories }}.active_days / 7.0),
            {{ parameters }}.r + {{ histories }}.repeat_days
        )
    )
{%- endmacro %}
