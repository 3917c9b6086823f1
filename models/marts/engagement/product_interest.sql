{#
    Grain: one row per visitor, product and day on which the visitor looked at it, put it into a
    cart or took it out, or onto a wish list. The customer is found as in marts.web_sessions.
#}
{{ config(materialized='view') }}

with interest as (

    select * from {{ ref('entity_product_interest') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

cookies as (

    select * from {{ ref('identity_cookies') }}

),

final as (

    select
        interest.record_key || ':' || interest.product_key || ':' || interest.seen_on
            as interest_id,
        coalesce(records.customer_id, cookies.customer_id) as customer_id,
        interest.product_key as product_id,
        interest.seen_on,
        interest.view_count,
        interest.cart_add_count,
        interest.cart_remove_count,
        interest.wishlist_add_count,
        interest.last_seen_at,
        greatest(interest.load_id, records.load_id, cookies.load_id) as load_id
    from interest
    left join records on interest.record_key = records.record_key
    left join cookies on interest.cookie = cookies.cookie

)

select * from final
