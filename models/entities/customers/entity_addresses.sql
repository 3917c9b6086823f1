{#
    Grain: one row per account or loyalty card and version of it that names a city, with the city
    that the version before named: a move is a row whose two cities differ. Every version is kept,
    so that one that is delivered late finds its place in the order.
#}
{{ config(unique_key='record_key') }}

with accounts as (

    select * from {{ ref('stg_shop__accounts') }} where {{ newly_loaded() }} and city is not null

),

loyalty_cards as (

    select * from {{ ref('stg_store__loyalty_cards') }}
    where {{ newly_loaded() }} and city is not null

),

arrived as (

    select
        {{ record_key('source_system', 'accounts', 'account_id') }} as record_key,
        version_at,
        street,
        postal_code,
        city,
        country,
        is_test,
        load_id
    from accounts
    union all
    select
        {{ record_key('source_system', 'loyalty_cards', 'card_id') }} as record_key,
        version_at,
        null as street,
        postal_code,
        city,
        country,
        is_test,
        load_id
    from loyalty_cards

),

versions as (

    select * from arrived
    {%- if is_incremental() %}
    union all
    select
        standing.record_key,
        standing.version_at,
        standing.street,
        standing.postal_code,
        standing.city,
        standing.country,
        standing.is_test,
        standing.load_id
    from {{ this }} as standing
    semi join arrived on standing.record_key = arrived.record_key
    {%- endif %}

),

final as (

    select
        record_key,
        version_at,
        street,
        postal_code,
        city,
        country,
        lag(city) over (partition by record_key order by version_at) as previous_city,
        lag(country) over (partition by record_key order by version_at) as previous_country,
        is_test,
        load_id
    from versions

)

select * from final
