{# Grain: one row per event. #}
with source as (

    select * from {{ source('web', 'web_events') }}

),

renamed as (

    select
        source_system,
        event_id,
        brand_id,
        visitor_id,
        account_id,
        event_type,
        occurred_at,
        site,
        split_part(url, '?', 1) as url,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        product_id,
        search_term,
        result_count,
        order_id,
        device_type,
        checkout_step,
        content_id,
        upper(country) as country,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('occurred_at') }}

)

select * from renamed
