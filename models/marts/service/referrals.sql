{# Grain: one row per recommendation to a friend. #}
{{ config(materialized='view') }}

with referrals as (

    select * from {{ ref('entity_referrals') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

friends as (

    -- Not the CTE records: DuckDB writes a CTE that is read twice out in full for every query.
    select
        record_key,
        customer_id,
        load_id
    from {{ ref('identity_records') }}

),

final as (

    select
        referrals.referral_key as referral_id,
        records.customer_id,
        friends.customer_id as friend_customer_id,
        referrals.brand_id,
        referrals.referred_at,
        referrals.friend_order_key as friend_order_id,
        greatest(referrals.load_id, records.load_id, friends.load_id) as load_id
    from referrals
    left join records on referrals.record_key = records.record_key
    left join friends on referrals.friend_record_key = friends.record_key

)

select * from final
