{# Grain: one row per attribute and time that it was observed. #}
with source as (

    select * from {{ source('declared', 'attributes') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.attribute_id,
        source.brand_id,
        source.observed_at,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.attribute,
        source.value,
        source.valid_until,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('source.observed_at') }}

)

select * from renamed
