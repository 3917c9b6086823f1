{# Grain: one row per cart and version. #}
with source as (

    select * from {{ source('shop', 'carts') }}

),

renamed as (

    select
        source_system,
        cart_id,
        brand_id,
        created_at,
        account_id,
        {{ normalise_email('email') }} as email,
        visitor_id,
        status,
        order_id,
        checkout_step,
        problem,
        currency,
        coalesce(updated_at, created_at) as version_at,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('coalesce(updated_at, created_at)') }}

)

select * from renamed
