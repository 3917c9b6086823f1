{#
    Asks the sources of each gate again, apart from the models that decide: a next message has
    consent of its brand on its channel, breaks no cap, pause or frequency, and goes to nobody who
    is held out, complains, is forgotten, was written to the same a short time ago or cannot be
    reached; its products are in stock. A visitor in the feed has agreed to profiling, and is not
    held out or forgotten. A failing row is a law with the number of messages or visitors that
    break it.
#}
{{ config(meta={'dagster': {'ref': {'name': 'next_messages'}}}) }}

with planned as (

    select
        next_messages.customer_id,
        next_messages.message_id,
        next_messages.channel,
        next_messages.brand_id,
        next_messages.send_on,
        next_messages.product_ids,
        message_catalog.purpose,
        message_catalog.channels,
        message_catalog.topic,
        message_catalog.quiet_days,
        message_catalog.max_wait_days,
        message_catalog.stops_for_open_case,
        message_catalog.product_source
    from {{ ref('next_messages') }} as next_messages
    inner join {{ ref('message_catalog') }} as message_catalog
        on next_messages.message_id = message_catalog.message_id

),

offered as (

    select
        customer_id,
        brand_id,
        unnest(product_ids) as product_id
    from planned

),

not_to_write_to as (

    select
        customer_id,
        'asked to be forgotten' as law
    from {{ ref('customers') }}
    where erasure_requested_at is not null
    union all
    select
        customer_id,
        'is held out' as law
    from {{ ref('holdouts') }}
    where is_global_holdout
    union all
    select
        customer_id,
        'has an open complaint' as law
    from {{ ref('cases') }}
    where is_open and kind = 'complaint'

),

visitors as (

    select
        sessions.customer_id,
        sessions.brand_id
    from {{ ref('personalisation_feed') }} as feed
    inner join {{ ref('web_sessions') }} as sessions
        on feed.brand_id = sessions.brand_id and feed.visitor_id = sessions.visitor_id
    where sessions.started_at >= {{ as_of() }} - interval 89 day
    group by sessions.customer_id, sessions.brand_id

),

broken as (

    select not_to_write_to.law
    from planned
    inner join not_to_write_to on planned.customer_id = not_to_write_to.customer_id
    union all
    select 'has no consent' as law
    from planned
    anti join {{ ref('consents') }} as consents
        on
            planned.customer_id = consents.customer_id
            and planned.brand_id = consents.brand_id
            and planned.channel = consents.channel
            and consents.purpose = 'marketing'
            and consents.is_granted
    union all
    select 'has no consent to profiling' as law
    from planned
    anti join {{ ref('consents') }} as consents
        on
            planned.customer_id = consents.customer_id
            and planned.brand_id = consents.brand_id
            and planned.channel = consents.channel
            and consents.purpose = 'profiling'
            and consents.is_granted
    where planned.purpose <> 'marketing'
    union all
    select 'is under pressure' as law
    from planned
    inner join {{ ref('contact_pressure') }} as contact_pressure
        on
            planned.customer_id = contact_pressure.customer_id
            and planned.channel = coalesce(contact_pressure.channel, planned.channel)
    where
        planned.send_on < contact_pressure.next_allowed_on
        or (contact_pressure.channel is not null and contact_pressure.next_allowed_on is null)
    union all
    select 'asked to be left in peace, for less or for other topics' as law
    from planned
    inner join {{ ref('preference_centre') }} as preferences
        on
            planned.customer_id = preferences.customer_id
            and planned.brand_id = preferences.brand_id
    where
        preferences.pause_until >= planned.send_on
        or preferences.max_contacts = 0
        or not list_contains(preferences.topics, planned.topic)
    union all
    select 'is not reached' as law
    from planned
    inner join {{ ref('customer_channels') }} as customer_channels
        on
            planned.customer_id = customer_channels.customer_id
            and planned.channel = customer_channels.channel
    where customer_channels.skip_reason in ('bounced', 'complained', 'unsubscribed')
    union all
    select 'has an open case' as law
    from planned
    inner join {{ ref('cases') }} as cases on planned.customer_id = cases.customer_id
    where cases.is_open and planned.stops_for_open_case
    union all
    select 'was sent the same lately' as law
    from planned
    inner join {{ ref('message_sends') }} as message_sends
        on
            planned.customer_id = message_sends.customer_id
            and planned.message_id = message_sends.message_id
    where
        cast(message_sends.last_sent_at as date) + planned.quiet_days > {{ as_of() }}
    union all
    select 'is sent on a day or channel that the message does not have' as law
    from planned
    where
        not coalesce(
            send_on between {{ as_of() }} and {{ as_of() }} + max_wait_days
            and list_contains(string_split(channels, ' '), channel)
            and (product_source is null) = (product_ids is null),
            false
        )
    union all
    select 'is offered what is not sold' as law
    from offered
    inner join {{ ref('products') }} as products on offered.product_id = products.product_id
    where
        products.stock <= 0
        or products.discontinued_at is not null
        or products.brand_id <> offered.brand_id
    union all
    select 'is owned already' as law
    from offered
    inner join {{ ref('owned_products') }} as owned_products
        on
            offered.customer_id = owned_products.customer_id
            and offered.product_id = owned_products.product_id
    union all
    select 'visitor ' || not_to_write_to.law as law
    from visitors
    inner join not_to_write_to on visitors.customer_id = not_to_write_to.customer_id
    where not_to_write_to.law <> 'has an open complaint'
    union all
    select 'visitor without consent to profiling' as law
    from visitors
    anti join {{ ref('consents') }} as consents
        on
            visitors.customer_id = consents.customer_id
            and visitors.brand_id = consents.brand_id
            and consents.purpose = 'profiling'
            and consents.is_granted

)

select
    law,
    count(*) as broken_count
from broken
group by law
