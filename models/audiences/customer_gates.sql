{#
    Grain: one row per customer, brand, purpose and channel that a decision is known about: may data
    of the customer leave the house for it, and if not, why. Whoever has no row never decided, and
    never leaves. Every export reads this view at the moment of sending.
    The reasons are tried in the order of how little can be said against them: erasure (asked to be
    forgotten), consent (withdrawn), suppression (the channel bounced, was complained about or
    unsubscribed from), holdout (the global one), pressure (a pause, a frequency or a cap; for
    marketing also one that closes this brand alone).
#}
{{ config(materialized='view') }}

with consents as (

    select * from {{ ref('consents') }}

),

customers as (

    select * from {{ ref('customers') }}

),

channels as (

    select * from {{ ref('customer_channels') }}

),

holdouts as (

    select * from {{ ref('holdouts') }} where is_global_holdout

),

pressure as (

    select * from {{ ref('contact_pressure') }} where channel is not null

),

final as (

    select
        consents.customer_id,
        consents.brand_id,
        consents.purpose,
        consents.channel,
        consents.decided_at,
        case
            when customers.erasure_requested_at is not null then 'erasure'
            when not consents.is_granted then 'consent'
            when channels.skip_reason in ('complained', 'unsubscribed', 'bounced')
                then 'suppression'
            when holdouts.customer_id is not null then 'holdout'
            when pressure.blocked_by in ('pause', 'frequency', 'cap') then 'pressure'
            when
                consents.purpose = 'marketing'
                and not list_contains(pressure.open_brand_ids, consents.brand_id)
                then 'pressure'
        end as refused_by
    from consents
    inner join customers on consents.customer_id = customers.customer_id
    left join channels
        on
            consents.customer_id = channels.customer_id
            and consents.channel = channels.channel
    left join holdouts on consents.customer_id = holdouts.customer_id
    left join pressure
        on
            consents.customer_id = pressure.customer_id
            and consents.channel = pressure.channel

)

select * from final
