{# Grain: one row per message sent, with what became of it. #}
{{ config(materialized='view') }}

with messages as (

    select * from {{ ref('entity_messages') }} where sent_at is not null

),

campaigns as (

    select * from {{ ref('entity_campaigns') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

final as (

    select
        messages.message_key as message_id,
        records.customer_id,
        messages.brand_id,
        messages.campaign_key as campaign_id,
        coalesce(messages.channel, campaigns.channel, 'email') as channel,
        coalesce(
            messages.department,
            case when messages.campaign_key is null then 'service' else 'marketing' end
        ) as department,
        messages.sent_at,
        messages.delivered_at,
        messages.first_opened_at,
        messages.last_opened_at,
        messages.open_count,
        messages.first_clicked_at,
        messages.last_clicked_at,
        messages.click_count,
        messages.bounced_at,
        messages.complained_at,
        messages.unsubscribed_at,
        messages.replied_at,
        messages.first_redeemed_at,
        messages.redemption_count,
        greatest(messages.load_id, records.load_id, campaigns.load_id) as load_id
    from messages
    left join campaigns on messages.campaign_key = campaigns.campaign_key
    left join records on messages.record_key = records.record_key

)

select * from final
