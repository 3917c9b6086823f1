{#
    Grain: one row per customer, brand, purpose and channel that a decision is known about: what
    holds at the end of the as-of day.
#}
{{ config(materialized='view') }}

with consent_history as (

    select * from {{ ref('consent_history') }}

),

final as (

    select
        customer_id,
        brand_id,
        purpose,
        channel,
        is_granted,
        confirmed_at as decided_at,
        confirmed_text_version as text_version,
        load_id
    from consent_history
    where valid_until is null

)

select * from final
