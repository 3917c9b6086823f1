{#
    Grain: one row per customer and conversion of the seed lifecycle_conversions: the first time
    that the customer did it. What is done in a web session counts from its start. Orders are
    counted orders. Records of tests convert nobody.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(
        by_customer=[ref('orders'), ref('web_sessions')], by_record=ref('entity_profiles')
    ) }}"
) }}

with orders as (

    select * from {{ ref('orders') }}
    where
        is_counted and customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

sessions as (

    select * from {{ ref('web_sessions') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

identifiers as (

    select * from {{ ref('customer_identifiers') }}
    {%- if is_incremental() %}
    where customer_id in (select touched.customer_id from touched_customers as touched)
    {%- endif %}

),

records as (

    select * from {{ ref('identity_records') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

profiles as (

    select * from {{ ref('entity_profiles') }} where not is_test

),

conversions as (

    select * from {{ ref('lifecycle_conversions') }}

),

known as (

    select
        customer_id,
        min(first_seen_at) as first_seen_at
    from identifiers
    group by customer_id

),

visits as (

    select
        customer_id,
        brand_id,
        min(started_at) as first_session_at,
        min(case when product_view_count > 0 then started_at end) as first_product_view_at,
        min(case when search_count > 0 then started_at end) as first_search_at,
        min(case when cart_add_count > 0 then started_at end) as first_cart_at,
        min(case when checkout_step_count > 0 then started_at end) as first_checkout_at
    from sessions
    group by customer_id, brand_id

),

brand_starts as (

    select
        customer_id,
        brand_id,
        min(ordered_at) as first_order_at
    from orders
    group by customer_id, brand_id

),

second_brands as (

    select * from brand_starts
    qualify row_number() over (
        partition by customer_id order by first_order_at, brand_id
    ) = 2

),

happened as (

    select
        records.customer_id,
        profiles.brand_id,
        case profiles.source_entity
            when 'accounts' then 'account_opened'
            when 'loyalty_cards' then 'card_issued'
            when 'contacts' then 'subscribed'
        end as conversion_id,
        profiles.created_at as converted_at
    from profiles
    inner join records on profiles.record_key = records.record_key
    where profiles.source_entity <> 'contacts' or profiles.is_subscribed
    union all
    {%- for conversion in [
        'first_session', 'first_product_view', 'first_search', 'first_cart', 'first_checkout'
    ] %}
    select
        customer_id,
        brand_id,
        '{{ conversion }}' as conversion_id,
        {{ conversion }}_at as converted_at
    from visits
    union all
    {%- endfor %}
    select
        customer_id,
        brand_id,
        case order_number
            when 1 then 'first_order'
            when 2 then 'second_order'
            when 3 then 'third_order'
        end as conversion_id,
        ordered_at as converted_at
    from orders
    where order_number <= 3
    union all
    select
        customer_id,
        brand_id,
        'second_brand_order' as conversion_id,
        first_order_at as converted_at
    from second_brands

),

first_times as (

    select * from happened
    where conversion_id is not null and converted_at is not null
    qualify row_number() over (
        partition by customer_id, conversion_id order by converted_at, brand_id
    ) = 1

),

first_brands as (

    select
        customer_id,
        brand_id
    from first_times
    qualify row_number() over (
        partition by customer_id order by converted_at, brand_id, conversion_id
    ) = 1

),

all_first_times as (

    select
        customer_id,
        brand_id,
        conversion_id,
        converted_at
    from first_times
    union all
    select
        known.customer_id,
        first_brands.brand_id,
        'first_seen' as conversion_id,
        known.first_seen_at as converted_at
    from known
    left join first_brands on known.customer_id = first_brands.customer_id

),

final as (

    select
        all_first_times.customer_id,
        all_first_times.conversion_id,
        all_first_times.brand_id,
        all_first_times.converted_at,
        lag(all_first_times.conversion_id) over customer as previous_conversion_id,
        date_diff(
            'day',
            cast(lag(all_first_times.converted_at) over customer as date),
            cast(all_first_times.converted_at as date)
        ) as days_since_previous,
        {{ this_load() }} as load_id
    from all_first_times
    inner join conversions on all_first_times.conversion_id = conversions.conversion_id
    window customer as (
        partition by all_first_times.customer_id
        order by all_first_times.converted_at, conversions.position
    )

)

select * from final
