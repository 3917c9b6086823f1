{# Grain: one row per case and version. #}
with source as (

    select * from {{ source('service', 'cases') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.case_id,
        source.brand_id,
        source.opened_at,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.kind,
        source.channel,
        {{ code('source.topic') }} as topic,
        source.priority,
        source.status,
        source.closed_at,
        source.resolution,
        source.satisfaction,
        source.order_id,
        source.receipt_id,
        source.product_id,
        coalesce(source.updated_at, source.opened_at) as version_at,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('coalesce(source.updated_at, source.opened_at)') }}

)

select * from renamed
