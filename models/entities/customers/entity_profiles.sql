{#
    Grain: one row per source record that describes a person: account, loyalty card, contact.
    The latest version of the record counts.
#}
{{ config(unique_key='record_key') }}

with accounts as (

    select * from {{ ref('stg_shop__accounts') }} where {{ newly_loaded() }}

),

loyalty_cards as (

    select * from {{ ref('stg_store__loyalty_cards') }} where {{ newly_loaded() }}

),

contacts as (

    select * from {{ ref('stg_email__contacts') }} where {{ newly_loaded() }}

),

arrived as (

    select
        {{ record_key('source_system', 'accounts', 'account_id') }} as record_key,
        source_system,
        'accounts' as source_entity,
        account_id as source_record_id,
        brand_id,
        created_at,
        version_at,
        email,
        phone,
        first_name,
        last_name,
        gender,
        birth_date,
        street,
        postal_code,
        city,
        country,
        cast(null as boolean) as is_subscribed,
        is_test,
        load_id
    from accounts
    union all
    select
        {{ record_key('source_system', 'loyalty_cards', 'card_id') }} as record_key,
        source_system,
        'loyalty_cards' as source_entity,
        card_id as source_record_id,
        brand_id,
        issued_at as created_at,
        version_at,
        email,
        phone,
        first_name,
        last_name,
        gender,
        birth_date,
        null as street,
        postal_code,
        city,
        country,
        null as is_subscribed,
        is_test,
        load_id
    from loyalty_cards
    union all
    select
        {{ record_key('source_system', 'contacts', 'contact_id') }} as record_key,
        source_system,
        'contacts' as source_entity,
        contact_id as source_record_id,
        brand_id,
        created_at,
        version_at,
        email,
        phone,
        first_name,
        last_name,
        null as gender,
        null as birth_date,
        null as street,
        null as postal_code,
        null as city,
        null as country,
        is_subscribed,
        is_test,
        load_id
    from contacts

),

latest as (

    {{ latest_version('arrived', ['record_key']) }}

)

select * from latest
