{#
    Grain: one row per record, identifier and time that it was seen. E-mails and phones are
    normalised as everywhere; ids of accounts, cards, contacts, cases, registrations and cookies
    carry the system that they belong to, as their records do (seeds/systems). Devices, fingerprints
    and social ids are the same in every system. What cannot be an address or a number is left out.
#}
with source as (

    select * from {{ source('identity', 'identifiers') }}

),

brands as (

    select * from {{ ref('brands') }}

),

systems as (

    select * from {{ ref('systems') }}

),

owned as (

    select
        source.*,
        coalesce(systems.account_system, source.source_system) as account_system,
        coalesce(systems.card_system, source.source_system) as card_system
    from source
    left join systems on source.source_system = systems.source_system

),

renamed as (

    select
        owned.source_system,
        owned.record_entity,
        owned.record_id,
        owned.id_type,
        case owned.id_type
            when 'email' then {{ email_identifier(normalise_email('owned.id_value')) }}
            when 'phone' then {{ normalise_phone('owned.id_value', 'brands.calling_code') }}
            when 'account' then owned.account_system || ':' || owned.id_value
            when 'cookie' then owned.account_system || ':' || owned.id_value
            when 'card' then owned.card_system || ':' || owned.id_value
            when 'social' then lower(trim(owned.id_value))
            when 'app_device' then lower(trim(owned.id_value))
            when 'fingerprint' then trim(owned.id_value)
            else owned.source_system || ':' || owned.id_value
        end as id_value,
        owned.seen_at,
        owned._delivered_on as delivered_on,
        owned._load_id as load_id
    from owned
    left join brands on owned.brand_id = brands.brand_id
    where {{ known_by_as_of('owned.seen_at') }}

),

final as (

    select
        source_system,
        record_entity,
        record_id,
        id_type,
        id_value,
        seen_at,
        delivered_on,
        load_id
    from renamed
    where id_value is not null

)

select * from final
