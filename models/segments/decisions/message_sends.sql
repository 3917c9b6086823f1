{#
    Grain: one row per customer and message of seeds/segments/message_catalog that was sent to the
    customer so lately that it still counts: for the quiet days of a message or the run of a
    journey. A campaign is of the message with whose campaign_name its name begins, the longest that
    fits.
    What was sent is the only memory that messages and journeys have: a replay of a day finds the
    same positions as that day did.
#}
{{ config(materialized='table') }}

with campaigns as (

    select * from {{ ref('campaigns') }}

),

messages as (

    select * from {{ ref('messages') }} where customer_id is not null

),

message_catalog as (

    select
        message_id,
        coalesce(campaign_name, message_id) as campaign_name
    from {{ ref('message_catalog') }}

),

memory as (

    select max(day_count) as day_count
    from (
        select quiet_days as day_count from {{ ref('message_catalog') }}
        union all
        select again_after_days as day_count from {{ ref('journeys') }}
    )

),

named_campaigns as (

    select
        campaigns.campaign_id,
        message_catalog.message_id
    from campaigns
    inner join message_catalog
        on
            left(campaigns.name, length(message_catalog.campaign_name))
            = message_catalog.campaign_name
    qualify row_number() over (
        partition by campaigns.campaign_id
        order by length(message_catalog.campaign_name) desc, message_catalog.message_id asc
    ) = 1

),

final as (

    select
        messages.customer_id,
        named_campaigns.message_id,
        count(*) as sent_count,
        max(messages.sent_at) as last_sent_at
    from messages
    inner join named_campaigns on messages.campaign_id = named_campaigns.campaign_id
    cross join memory
    where cast(messages.sent_at as date) + memory.day_count > {{ as_of() }}
    group by messages.customer_id, named_campaigns.message_id

)

select * from final
