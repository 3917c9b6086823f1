{#
    Grain: one row per cart of a shop, its latest version. record_key names the record of the
    person, which is the cart itself for a guest who left but an e-mail or phone; NULL is nobody
    known.
#}
{{ config(unique_key='cart_key') }}

with carts as (

    select * from {{ ref('stg_shop__carts') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

arrived as (

    select
        {{ record_key('carts.source_system', 'carts', 'carts.cart_id') }} as cart_key,
        carts.source_system,
        carts.brand_id,
        carts.created_at,
        carts.version_at,
        {{ person_record(
            'carts', record_key('carts.source_system', 'carts', 'carts.cart_id')
        ) }} as record_key,
        carts.visitor_id,
        carts.status,
        coalesce(systems.account_system, carts.source_system)
        || ':orders:' || carts.order_id as order_key,
        carts.checkout_step,
        carts.problem,
        upper(carts.currency) as currency,
        carts.load_id
    from carts
    left join systems on carts.source_system = systems.source_system

),

latest as (

    {{ latest_version('arrived', ['cart_key']) }}

)

select * from latest
