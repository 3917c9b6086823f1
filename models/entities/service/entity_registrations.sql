{#
    Grain: one row per registration of a product, its latest version.
#}
{{ config(unique_key='registration_key') }}

with registrations as (

    select * from {{ ref('stg_service__registrations') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

arrived as (

    select
        registrations.source_system || ':' || registrations.registration_id as registration_key,
        registrations.source_system,
        registrations.brand_id,
        {{ person_record(
            'registrations',
            record_key(
                'registrations.source_system', 'registrations', 'registrations.registration_id'
            )
        ) }} as record_key,
        registrations.registered_at,
        registrations.version_at,
        coalesce(systems.product_system, registrations.source_system)
        || ':' || registrations.product_id as product_key,
        registrations.purchased_on,
        registrations.warranty_until,
        coalesce(systems.account_system, registrations.source_system)
        || ':orders:' || registrations.order_id as order_key,
        registrations.load_id
    from registrations
    left join systems on registrations.source_system = systems.source_system

),

latest as (

    {{ latest_version('arrived', ['registration_key']) }}

)

select * from latest
