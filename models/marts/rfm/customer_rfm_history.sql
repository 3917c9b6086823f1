{#
    Grain: one row per buyer, brand (NULL over all brands) and month end at which a score or the
    segment was another than a month before: the scores of that day, by the cut points of its
    month. The month ends of marts.rfm_cut_points up to the as-of day are looked at; the first row
    of whoever had bought before them starts with the first.
    An increment computes whom something happened to, and who has other scores at the end of a
    month that is new or whose cut points moved.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook=[
        "{{ touched_customers(
            by_customer=[ref('orders'), ref('rfm_values'), ref('lifecycle_schedule')]
        ) }}",
        "{{ touch_customers_of_cut_points(ref('rfm_cut_points'), ref('rfm_values')) }}"
    ]
) }}

with rfm_values as (

    select * from {{ ref('rfm_values') }}
    {%- if is_incremental() %}
    where customer_id in (select touched.customer_id from touched_customers as touched)
    {%- endif %}

),

cut_points as (

    select * from {{ ref('rfm_cut_points') }}

),

segments as (

    select * from {{ ref('rfm_segments') }}

),

bounds as (

    {{ rfm_bounds('cut_points') }}

),

month_ends as (

    select
        valid_from as from_month,
        cast(valid_from + interval 1 month as date) - 1 as month_end
    from bounds
    where cast(valid_from + interval 1 month as date) - 1 <= {{ as_of() }}
    group by valid_from

),

measured as (

    select
        rfm_values.customer_id,
        rfm_values.brand_id,
        month_ends.from_month,
        month_ends.month_end,
        greatest(0, date_diff('day', rfm_values.last_order_on, month_ends.month_end))
            as recency_days,
        rfm_values.frequency,
        rfm_values.monetary
    from rfm_values
    inner join month_ends
        on
            rfm_values.from_month <= month_ends.from_month
            and (
                rfm_values.until_month is null
                or rfm_values.until_month > month_ends.from_month
            )

),

scored as (

    select
        measured.customer_id,
        measured.brand_id,
        measured.month_end,
        {{ rfm_score('measured.recency_days', 'recency', 'bounds') }} as r_score,
        {{ rfm_score('measured.frequency', 'frequency', 'bounds') }} as f_score,
        {{ rfm_score('measured.monetary', 'monetary', 'bounds') }} as m_score
    from measured
    inner join bounds
        on
            measured.brand_id is not distinct from bounds.brand_id
            and measured.from_month = bounds.valid_from

),

changes as (

    select
        *,
        lag(100 * r_score + 10 * f_score + m_score) over (
            partition by customer_id, brand_id order by month_end
        ) as cell_before
    from scored
    qualify cell_before is null or cell_before <> 100 * r_score + 10 * f_score + m_score

),

final as (

    select
        changes.customer_id,
        changes.brand_id,
        changes.month_end as valid_from,
        lead(changes.month_end) over (
            partition by changes.customer_id, changes.brand_id order by changes.month_end
        ) as valid_until,
        changes.r_score,
        changes.f_score,
        changes.m_score,
        segments.rfm_segment,
        {{ this_load() }} as load_id
    from changes
    inner join segments
        on changes.r_score = segments.r_score and changes.f_score = segments.f_score

)

select * from final
