{#
    Grain: one row per customer: in how many brands the customer is how active, and the brand to
    win the customer for next.
    The best brand is the one of the highest level of activity, of equals the one with more orders
    within 365 days, then in all, then active later, then first by id. The target is another brand
    in which the customer is not strong, where something speaks for it:
    - engaged: the customer is weakly active there and has never bought; it goes first;
    - affinity: customers who bought from the best brand bought there, too; their share decides
      among brands of the same kind, then the id.
    A brand that nobody deals with is nobody's target, and who was never active has none.
#}
with customers as (

    select * from {{ ref('customers') }}

),

brands as (

    select * from {{ ref('customer_brands') }}

),

levels as (

    select * from {{ ref('brand_activity_levels') }}

),

ranked as (

    select
        brands.customer_id,
        brands.brand_id,
        brands.activity_level,
        row_number() over (
            partition by brands.customer_id
            order by
                levels.position asc,
                brands.orders_365d desc,
                brands.order_count desc,
                brands.last_active_at desc nulls last,
                brands.brand_id asc
        ) as place
    from brands
    inner join levels on brands.activity_level = levels.activity_level

),

counted as (

    select
        customer_id,
        count(case when activity_level = 'strong' then 1 end) as strong_brand_count,
        count(case when activity_level = 'weak' then 1 end) as weak_brand_count,
        count(case when activity_level = 'dormant' then 1 end) as dormant_brand_count,
        max(case when place = 1 and activity_level <> 'none' then brand_id end)
            as best_brand_id
    from ranked
    group by customer_id

),

buyers as (

    select
        brand_id,
        count(*) as buyer_count
    from {{ ref('customer_brands') }}
    where order_count > 0
    group by brand_id

),

common_buyers as (

    select
        bought.brand_id,
        also_bought.brand_id as other_brand_id,
        count(*) as buyer_count
    from {{ ref('customer_brands') }} as bought
    inner join {{ ref('customer_brands') }} as also_bought
        on bought.customer_id = also_bought.customer_id and bought.brand_id <> also_bought.brand_id
    where bought.order_count > 0 and also_bought.order_count > 0
    group by bought.brand_id, also_bought.brand_id

),

affinities as (

    select
        common_buyers.brand_id,
        common_buyers.other_brand_id,
        round(common_buyers.buyer_count / buyers.buyer_count, 4) as affinity
    from common_buyers
    inner join buyers on common_buyers.brand_id = buyers.brand_id

),

chances as (

    select
        counted.customer_id,
        affinities.other_brand_id as brand_id,
        affinities.affinity,
        false as is_engaged
    from counted
    inner join affinities on counted.best_brand_id = affinities.brand_id
    union all
    select
        customer_id,
        brand_id,
        0 as affinity,
        true as is_engaged
    from {{ ref('customer_brands') }}
    where activity_level = 'weak' and order_count = 0

),

candidates as (

    select
        customer_id,
        brand_id,
        bool_or(is_engaged) as is_engaged,
        max(affinity) as affinity
    from chances
    group by customer_id, brand_id

),

targets as (

    select candidates.*
    from candidates
    inner join counted on candidates.customer_id = counted.customer_id
    left join ranked
        on
            candidates.customer_id = ranked.customer_id
            and candidates.brand_id = ranked.brand_id
    where
        candidates.brand_id <> counted.best_brand_id
        and coalesce(ranked.activity_level, 'none') <> 'strong'
    qualify row_number() over (
        partition by candidates.customer_id
        order by candidates.is_engaged desc, candidates.affinity desc, candidates.brand_id asc
    ) = 1

),

final as (

    select
        customers.customer_id,
        case
            when counted.strong_brand_count > 1 then 'strong_in_several'
            when counted.strong_brand_count = 1 then 'strong_in_one'
            when counted.weak_brand_count > 0 then 'weak_in_all'
            when counted.dormant_brand_count > 0 then 'dormant_in_all'
            else 'never_active'
        end as activity_group,
        coalesce(counted.strong_brand_count, 0) as strong_brand_count,
        coalesce(counted.weak_brand_count, 0) as weak_brand_count,
        coalesce(counted.dormant_brand_count, 0) as dormant_brand_count,
        counted.best_brand_id,
        case when counted.strong_brand_count = 1 then counted.best_brand_id end
            as strong_brand_id,
        targets.brand_id as target_brand_id,
        case
            when targets.is_engaged then 'engaged'
            when targets.brand_id is not null then 'affinity'
        end as target_reason,
        targets.affinity as target_affinity
    from customers
    left join counted on customers.customer_id = counted.customer_id
    left join targets on customers.customer_id = targets.customer_id

)

select * from final
