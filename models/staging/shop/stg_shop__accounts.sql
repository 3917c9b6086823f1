{# Grain: one row per account and version. #}
with source as (

    select * from {{ source('shop', 'accounts') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.account_id,
        source.brand_id,
        source.created_at,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.first_name,
        source.last_name,
        source.gender,
        source.birth_date,
        source.street,
        source.postal_code,
        source.city,
        upper(source.country) as country,
        coalesce(source.is_test, false) as is_test,
        coalesce(source.updated_at, source.created_at) as version_at,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('coalesce(source.updated_at, source.created_at)') }}

)

select * from renamed
