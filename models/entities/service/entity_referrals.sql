{#
    Grain: one row per referral. The friend is known by an account and a first order; an
    address that somebody else gave makes nobody a customer.
#}
{{ config(unique_key='referral_key') }}

with referrals as (

    select * from {{ ref('stg_service__referrals') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        referrals.source_system || ':' || referrals.referral_id as referral_key,
        referrals.source_system,
        referrals.brand_id,
        {{ person_record(
            'referrals',
            record_key('referrals.source_system', 'referrals', 'referrals.referral_id')
        ) }} as record_key,
        referrals.referred_at,
        coalesce(systems.account_system, referrals.source_system)
        || ':accounts:' || referrals.friend_account_id as friend_record_key,
        coalesce(systems.account_system, referrals.source_system)
        || ':orders:' || referrals.order_id as friend_order_key,
        referrals.load_id
    from referrals
    left join systems on referrals.source_system = systems.source_system

)

select * from final
