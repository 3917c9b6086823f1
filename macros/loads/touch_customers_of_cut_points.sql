{#
    Adds to touched_customers those whose RFM scores at a month end are not the ones that the
    model holds, and those with rows of months that are kept no longer. Only months that are new
    or whose cut points moved are looked at: at the others nobody scores otherwise whose own values
    are as they were. Run as a pre-hook after touched_customers, which knows whose values changed.
    Args: cut_points and rfm_values, the relations.
#}
{% macro touch_customers_of_cut_points(cut_points, rfm_values) -%}
    {%- if execute and is_incremental() -%}
        {%- set query -%}
            insert into touched_customers
            with cut_points as (

                select * from {{ cut_points }}

            ),

            bounds as (

                {{ rfm_bounds('cut_points') }}

            ),

            month_ends as (

                select
                    brand_id,
                    valid_from as from_month,
                    cast(valid_from + interval 1 month as date) - 1 as month_end,
                    bool_or({{ newly_loaded() }}) as has_moved
                from cut_points
                group by brand_id, valid_from

            ),

            looked_at as (

                select * from month_ends
                where
                    month_end <= {{ as_of() }}
                    and (has_moved or month_end > (select max(valid_from) from {{ this }}))

            ),

            measured as (

                select
                    buyers.customer_id,
                    buyers.brand_id,
                    looked_at.from_month,
                    looked_at.month_end,
                    greatest(0, date_diff('day', buyers.last_order_on, looked_at.month_end))
                        as recency_days,
                    buyers.frequency,
                    buyers.monetary
                from {{ rfm_values }} as buyers
                inner join looked_at
                    on
                        buyers.brand_id is not distinct from looked_at.brand_id
                        and buyers.from_month <= looked_at.from_month
                        and (
                            buyers.until_month is null
                            or buyers.until_month > looked_at.from_month
                        )

            ),

            standing as (

                select
                    history.customer_id,
                    history.brand_id,
                    looked_at.month_end,
                    history.r_score,
                    history.f_score,
                    history.m_score
                from {{ this }} as history
                inner join looked_at
                    on
                        history.brand_id is not distinct from looked_at.brand_id
                        and history.valid_from <= looked_at.month_end
                        and (
                            history.valid_until is null
                            or history.valid_until > looked_at.month_end
                        )

            )

            select measured.customer_id
            from measured
            inner join bounds
                on
                    measured.brand_id is not distinct from bounds.brand_id
                    and measured.from_month = bounds.valid_from
            left join standing
                on
                    measured.customer_id = standing.customer_id
                    and measured.brand_id is not distinct from standing.brand_id
                    and measured.month_end = standing.month_end
            where
                {{ rfm_score('measured.recency_days', 'recency', 'bounds') }}
                is distinct from standing.r_score
                or {{ rfm_score('measured.frequency', 'frequency', 'bounds') }}
                is distinct from standing.f_score
                or {{ rfm_score('measured.monetary', 'monetary', 'bounds') }}
                is distinct from standing.m_score
            union
            select customer_id from {{ this }}
            where valid_from < (select min(month_end) from month_ends)
        {%- endset -%}
        {%- do run_query(query) -%}
    {%- endif -%}
{%- endmacro %}
