{#
    Grain: one row per campaign and customer whom it was sent to, with the furthest stage reached.
    Who unsubscribed or complained is at that stage whatever came before.
#}
{{ config(materialized='view') }}

with messages as (

    select * from {{ ref('messages') }}
    where campaign_id is not null and customer_id is not null

),

members as (

    select
        campaign_id,
        customer_id,
        count(*) as message_count,
        min(sent_at) as first_sent_at,
        max(sent_at) as last_sent_at,
        min(delivered_at) as delivered_at,
        min(first_opened_at) as opened_at,
        min(first_clicked_at) as clicked_at,
        min(replied_at) as replied_at,
        min(first_redeemed_at) as redeemed_at,
        min(unsubscribed_at) as unsubscribed_at,
        min(complained_at) as complained_at,
        min(bounced_at) as bounced_at
    from messages
    group by campaign_id, customer_id

),

final as (

    select
        campaign_id,
        customer_id,
        message_count,
        first_sent_at,
        last_sent_at,
        delivered_at,
        opened_at,
        clicked_at,
        replied_at,
        redeemed_at,
        unsubscribed_at,
        complained_at,
        bounced_at,
        case
            when complained_at is not null then 'complained'
            when unsubscribed_at is not null then 'unsubscribed'
            when redeemed_at is not null then 'redeemed'
            when replied_at is not null then 'replied'
            when clicked_at is not null then 'clicked'
            when opened_at is not null then 'opened'
            when bounced_at is not null and delivered_at is null then 'bounced'
            when delivered_at is not null then 'delivered'
            else 'sent'
        end as stage
    from members

)

select * from final
