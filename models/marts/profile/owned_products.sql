{#
    Grain: one row per customer and product that the customer owns: what lasts, with a service life
    or a warranty, bought and not given back, or registered without a purchase that we know. What
    lasts less than a year is used up at the end of its life and then owned no more. An order that
    is cancelled or a test makes no owner.
    A gift belongs to somebody else: an order that is wrapped, has a message or another recipient
    makes no owner, unless the product is registered.
    Age counts from the last purchase: the newest piece is the one in use. The successor is the
    product that replaces a discontinued one, else the newest of the same category path, brand and
    maker that was listed after the purchase, is still sold, no accessory, and costs up to 30 % more
    or less.
#}
with orders as (

    select
        order_id,
        ordered_on,
        is_void,
        coalesce(is_gift_wrapped, false)
        or coalesce(has_gift_message, false)
        or coalesce(has_other_recipient, false) as is_gift
    from {{ ref('orders') }}

),

lines as (

    select * from {{ ref('order_lines') }}
    where line_kind in ('merchandise', 'return') and customer_id is not null

),

registrations as (

    select * from {{ ref('entity_registrations') }}

),

records as (

    select * from {{ ref('identity_records') }} where customer_id is not null

),

products as (

    select * from {{ ref('products') }}

),

phases as (

    select * from {{ ref('product_phases') }}

),

durable as (

    select
        product_id,
        category_path,
        brand_id,
        product_brand,
        price,
        replacement_product_id,
        discontinued_at,
        warranty_months,
        service_life_months
    from products
    where service_life_months is not null or warranty_months is not null

),

accessories as (

    select
        product_id,
        accessory_of_product_id,
        discontinued_at
    from products
    where accessory_of_product_id is not null

),

tracked as (

    select product_id from durable
    union
    select product_id from accessories

),

kept_per_order as (

    -- A return that names no order lowers what the customer holds of the product at all.
    select
        lines.customer_id,
        lines.product_id,
        lines.order_id,
        sum(lines.quantity) as quantity
    from lines
    semi join tracked on lines.product_id = tracked.product_id
    group by lines.customer_id, lines.product_id, lines.order_id

),

purchased as (

    select
        kept_per_order.customer_id,
        kept_per_order.product_id,
        sum(kept_per_order.quantity) as quantity,
        min(case when kept_per_order.quantity > 0 then orders.ordered_on end) as first_bought_on,
        max(case when kept_per_order.quantity > 0 then orders.ordered_on end) as last_bought_on
    from kept_per_order
    left join orders on kept_per_order.order_id = orders.order_id
    where not coalesce(orders.is_gift or orders.is_void, false)
    group by kept_per_order.customer_id, kept_per_order.product_id

),

registered as (

    select
        records.customer_id,
        registrations.product_key as product_id,
        count(*) as quantity,
        min(coalesce(registrations.purchased_on, cast(registrations.registered_at as date)))
            as first_bought_on,
        max(coalesce(registrations.purchased_on, cast(registrations.registered_at as date)))
            as last_bought_on,
        max(registrations.warranty_until) as warranty_until
    from registrations
    inner join records on registrations.record_key = records.record_key
    semi join tracked on registrations.product_key = tracked.product_id
    group by records.customer_id, registrations.product_key

),

held as (

    select
        coalesce(purchased.customer_id, registered.customer_id) as customer_id,
        coalesce(purchased.product_id, registered.product_id) as product_id,
        coalesce(purchased.quantity, registered.quantity) as quantity,
        coalesce(purchased.first_bought_on, registered.first_bought_on) as first_bought_on,
        coalesce(purchased.last_bought_on, registered.last_bought_on) as last_bought_on,
        registered.warranty_until,
        registered.product_id is not null as is_registered,
        purchased.product_id is not null as is_purchased
    from purchased
    full outer join registered
        on
            purchased.customer_id = registered.customer_id
            and purchased.product_id = registered.product_id
    where coalesce(purchased.quantity, registered.quantity) > 0

),

owned as (

    select
        held.customer_id,
        held.product_id,
        held.quantity,
        held.first_bought_on,
        held.last_bought_on,
        held.is_registered,
        held.is_purchased,
        durable.service_life_months,
        {{ whole_months('held.last_bought_on', as_of()) }} as age_months,
        coalesce(
            held.warranty_until,
            cast(held.last_bought_on + to_months(durable.warranty_months) as date)
        ) as warranty_until
    from held
    inner join durable on held.product_id = durable.product_id

),

sold_accessories as (

    select
        accessories.accessory_of_product_id,
        accessories.product_id,
        accessories.discontinued_at,
        count(held.customer_id) as holder_count
    from accessories
    left join held on accessories.product_id = held.product_id
    group by
        accessories.accessory_of_product_id, accessories.product_id, accessories.discontinued_at

),

accessories_per_owner as (

    select
        owned.customer_id,
        owned.product_id,
        count(case when sold_accessories.discontinued_at is null then 1 end) as offered_count,
        count(owned_accessories.product_id) as owned_count,
        max_by(
            sold_accessories.product_id,
            lpad(cast(sold_accessories.holder_count as varchar), 12, '0')
            || sold_accessories.product_id
        ) filter (
            where
            owned_accessories.product_id is null and sold_accessories.discontinued_at is null
        ) as missing_accessory_id
    from owned
    inner join sold_accessories
        on owned.product_id = sold_accessories.accessory_of_product_id
    left join held as owned_accessories
        on
            owned.customer_id = owned_accessories.customer_id
            and sold_accessories.product_id = owned_accessories.product_id
    group by owned.customer_id, owned.product_id

),

newest_alternatives as (

    select
        durable.product_id,
        products.product_id as alternative_id,
        products.listed_at
    from durable
    inner join products
        on
            durable.category_path = products.category_path
            and durable.brand_id = products.brand_id
            and durable.product_brand = products.product_brand
    where
        durable.product_id <> products.product_id
        and products.discontinued_at is null
        and products.accessory_of_product_id is null
        and products.price between durable.price * 0.7 and durable.price * 1.3
    qualify row_number() over (
        partition by durable.product_id
        order by products.listed_at desc nulls last, products.product_id asc
    ) = 1

),

final as (

    select
        owned.customer_id,
        owned.product_id,
        cast(owned.quantity as decimal(18, 4)) as quantity,
        owned.first_bought_on,
        owned.last_bought_on,
        owned.age_months,
        phases.life_phase,
        owned.warranty_until,
        coalesce(owned.warranty_until >= {{ as_of() }}, false) as is_in_warranty,
        owned.is_registered,
        owned.is_purchased,
        coalesce(accessories_per_owner.offered_count, 0) as offered_accessory_count,
        coalesce(accessories_per_owner.owned_count, 0) as owned_accessory_count,
        accessories_per_owner.missing_accessory_id,
        case
            when durable.discontinued_at is not null and durable.replacement_product_id is not null
                then durable.replacement_product_id
            when cast(newest_alternatives.listed_at as date) > owned.last_bought_on
                then newest_alternatives.alternative_id
        end as successor_product_id
    from owned
    inner join durable on owned.product_id = durable.product_id
    left join phases
        on
            owned.age_months / nullif(owned.service_life_months, 0) >= phases.at_least
            and (
                owned.age_months / nullif(owned.service_life_months, 0) < phases.below
                or phases.below is null
            )
    left join accessories_per_owner
        on
            owned.customer_id = accessories_per_owner.customer_id
            and owned.product_id = accessories_per_owner.product_id
    left join newest_alternatives on owned.product_id = newest_alternatives.product_id
    where
        owned.service_life_months is null
        or owned.service_life_months >= 12
        or owned.age_months < owned.service_life_months

)

select * from final
