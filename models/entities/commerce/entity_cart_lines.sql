{# Grain: one row per product put into a cart, in the currency of the cart. #}
{{ config(unique_key=['cart_key', 'line_no']) }}

with cart_lines as (

    select * from {{ ref('stg_shop__cart_lines') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        {{ record_key('cart_lines.source_system', 'carts', 'cart_lines.cart_id') }} as cart_key,
        cart_lines.line_no,
        cart_lines.added_at,
        coalesce(systems.product_system, cart_lines.source_system)
        || ':' || cart_lines.product_id as product_key,
        cart_lines.quantity,
        cart_lines.unit_price,
        cart_lines.load_id
    from cart_lines
    left join systems on cart_lines.source_system = systems.source_system

)

select * from final
