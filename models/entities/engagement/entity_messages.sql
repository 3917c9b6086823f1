{#
    Grain: one row per message with what became of it. An increment folds the events that
    arrived into the rows that stand: first times by minimum, counts by sum, so that the result
    does not depend on how the events were split into loads. A message whose own row has not
    arrived yet has no sent_at; the marts leave it out until it has.
#}
{{ config(unique_key='message_key') }}

with messages as (

    select * from {{ ref('stg_email__messages') }} where {{ newly_loaded() }}

),

message_events as (

    select * from {{ ref('stg_email__message_events') }} where {{ newly_loaded() }}

),

sent as (

    select
        source_system || ':' || message_id as message_key,
        source_system,
        message_id,
        brand_id,
        source_system || ':' || campaign_id as campaign_key,
        {{ record_key('source_system', 'contacts', 'contact_id') }} as record_key,
        channel,
        department,
        sent_at,
        load_id
    from messages

),

outcomes as (

    select
        source_system || ':' || message_id as message_key,
        min(case when event_type = 'delivered' then occurred_at end) as delivered_at,
        min(case when event_type = 'opened' then occurred_at end) as first_opened_at,
        max(case when event_type = 'opened' then occurred_at end) as last_opened_at,
        count(case when event_type = 'opened' then 1 end) as open_count,
        min(case when event_type = 'clicked' then occurred_at end) as first_clicked_at,
        max(case when event_type = 'clicked' then occurred_at end) as last_clicked_at,
        count(case when event_type = 'clicked' then 1 end) as click_count,
        min(case when event_type = 'bounced' then occurred_at end) as bounced_at,
        min(case when event_type = 'complained' then occurred_at end) as complained_at,
        min(case when event_type = 'unsubscribed' then occurred_at end) as unsubscribed_at,
        min(case when event_type = 'replied' then occurred_at end) as replied_at,
        min(case when event_type = 'redeemed' then occurred_at end) as first_redeemed_at,
        count(case when event_type = 'redeemed' then 1 end) as redemption_count,
        max(load_id) as load_id
    from message_events
    group by source_system || ':' || message_id

),

arrived as (

    select
        coalesce(sent.message_key, outcomes.message_key) as message_key,
        sent.source_system,
        sent.message_id,
        sent.brand_id,
        sent.campaign_key,
        sent.record_key,
        sent.channel,
        sent.department,
        sent.sent_at,
        outcomes.delivered_at,
        outcomes.first_opened_at,
        outcomes.last_opened_at,
        coalesce(outcomes.open_count, 0) as open_count,
        outcomes.first_clicked_at,
        outcomes.last_clicked_at,
        coalesce(outcomes.click_count, 0) as click_count,
        outcomes.bounced_at,
        outcomes.complained_at,
        outcomes.unsubscribed_at,
        outcomes.replied_at,
        outcomes.first_redeemed_at,
        coalesce(outcomes.redemption_count, 0) as redemption_count,
        greatest(coalesce(sent.load_id, 0), coalesce(outcomes.load_id, 0)) as load_id
    from sent
    full outer join outcomes on sent.message_key = outcomes.message_key

)

{%- if is_incremental() %},

folding as (

    select * from arrived
    union all
    select standing.*
    from {{ this }} as standing
    semi join arrived on standing.message_key = arrived.message_key

),

folded as (

    select
        message_key,
        max(source_system) as source_system,
        max(message_id) as message_id,
        max(brand_id) as brand_id,
        max(campaign_key) as campaign_key,
        max(record_key) as record_key,
        max(channel) as channel,
        max(department) as department,
        min(sent_at) as sent_at,
        min(delivered_at) as delivered_at,
        min(first_opened_at) as first_opened_at,
        max(last_opened_at) as last_opened_at,
        cast(sum(open_count) as bigint) as open_count,
        min(first_clicked_at) as first_clicked_at,
        max(last_clicked_at) as last_clicked_at,
        cast(sum(click_count) as bigint) as click_count,
        min(bounced_at) as bounced_at,
        min(complained_at) as complained_at,
        min(unsubscribed_at) as unsubscribed_at,
        min(replied_at) as replied_at,
        min(first_redeemed_at) as first_redeemed_at,
        cast(sum(redemption_count) as bigint) as redemption_count,
        max(load_id) as load_id
    from folding
    group by message_key

)

select * from folded
{%- else %}

select * from arrived
{%- endif %}
