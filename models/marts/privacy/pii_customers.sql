{#
    Grain: one row per customer with personal data: per field the value of the latest record that
    has one. The only mart with personal data beside pii.customer_identifiers; it is not
    published to readers.
#}
{{ config(
    schema='pii',
    access='protected',
    group='inner',
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(by_record=ref('entity_profiles')) }}"
) }}

with profiles as (

    select * from {{ ref('entity_profiles') }} where not is_test

),

records as (

    select * from {{ ref('identity_records') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

ordered as (

    select
        records.customer_id,
        profiles.*,
        strftime(profiles.version_at, '%Y%m%d%H%M%S%f') || profiles.record_key as recency
    from profiles
    inner join records on profiles.record_key = records.record_key

),

final as (

    select
        customer_id,
        {{ latest_known('email', 'recency') }} as email,
        {{ latest_known('phone', 'recency') }} as phone,
        {{ latest_known('first_name', 'recency') }} as first_name,
        {{ latest_known('last_name', 'recency') }} as last_name,
        {{ latest_known('gender', 'recency') }} as gender,
        {{ latest_known('birth_date', 'recency') }} as birth_date,
        {{ latest_known('street', 'recency') }} as street,
        {{ latest_known('postal_code', 'recency') }} as postal_code,
        {{ latest_known('city', 'recency') }} as city,
        {{ latest_known('country', 'recency') }} as country,
        {{ this_load() }} as load_id
    from ordered
    group by customer_id

)

select * from final
