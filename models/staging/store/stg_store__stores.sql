{# Grain: one row per store and version. #}
with source as (

    select * from {{ source('store', 'stores') }}

),

renamed as (

    select
        source_system,
        store_id,
        brand_id,
        name,
        opened_at,
        closed_at,
        postal_code,
        city,
        upper(country) as country,
        latitude,
        longitude,
        coalesce(updated_at, opened_at) as version_at,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('coalesce(updated_at, opened_at)') }}

)

select * from renamed
