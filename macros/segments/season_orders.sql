{#
    One row per customer who bought in the days before an occasion for presents that is over
    since at most so many days: orders for others and for himself, and the occasion.
    Args: max_days, days after the last day of the occasion.
#}
{% macro season_orders(max_days) -%}
    select
        intents.customer_id,
        count(distinct case when intents.is_gift then intents.order_id end) as gift_order_count,
        count(distinct case when not intents.is_gift then intents.order_id end)
            as self_order_count,
        max(case when intents.is_gift then intents.ordered_on end) as last_gift_on,
        max(case when not intents.is_gift then intents.ordered_on end) as last_self_on,
        max_by(
            seasons.occasion,
            cast(seasons.until_on as varchar)
            || lpad(cast(100 - seasons.position as varchar), 3, '0')
        ) as occasion,
        max(seasons.until_on) as occasion_ended_on
    from {{ ref('order_intents') }} as intents
    inner join {{ ref('occasion_days') }} as seasons
        on
            intents.country = seasons.country
            and intents.ordered_on between seasons.from_on and seasons.until_on
    where
        seasons.is_gift
        and seasons.until_on < {{ as_of() }}
        and {{ days_since('seasons.until_on') }} <= {{ max_days }}
    group by intents.customer_id
{%- endmacro %}
