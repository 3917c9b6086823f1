{#
    Grain: one row per customer and channel that a brand may use for marketing, or that a message
    was sent on in the last 90 days, and one per such customer over all channels (channel NULL).
    A window of 7 days is the as-of day and the 6 before it, in UTC.
    Three things keep a message back. Consent and what the customer asked for are each brand's
    own: the row opens when the first brand with consent is neither paused nor over the frequency
    that was asked for. Caps (seeds/contact_caps) are the group's: with at most three messages
    in seven days, the third latest has to leave the window, seven days after it was sent.
    Messages of the department service count against no frequency, and no cap unless it says so.
#}
with messages as (

    select
        customer_id,
        brand_id,
        channel,
        message_id,
        sent_at,
        cast(sent_at as date) as sent_on,
        department = 'service' as is_service
    from {{ ref('messages') }}
    where customer_id is not null and sent_at >= {{ as_of() }} - interval 89 day

),

consents as (

    select * from {{ ref('consents') }}
    where purpose = 'marketing' and is_granted

),

preferences as (

    select * from {{ ref('preference_centre') }}

),

caps as (

    select * from {{ ref('contact_caps') }}

),

contacts as (

    -- Each message once for its channel and once for all channels.
    select
        customer_id,
        unnest([channel, null]) as channel,
        message_id,
        sent_at,
        sent_on,
        is_service
    from messages

),

positions as (

    select
        *,
        row_number() over (
            partition by customer_id, channel order by sent_at desc, message_id asc
        ) as place,
        row_number() over (
            partition by customer_id, channel, is_service order by sent_at desc, message_id asc
        ) as place_of_its_kind
    from contacts

),

sent as (

    select
        customer_id,
        channel,
        count(case when sent_on = {{ as_of() }} then 1 end) as sent_1d,
        count(case when sent_on > {{ as_of() }} - 7 then 1 end) as sent_7d,
        count(case when sent_on > {{ as_of() }} - 30 then 1 end) as sent_30d,
        count(case when is_service and sent_on > {{ as_of() }} - 30 then 1 end) as service_30d,
        max(sent_at) as last_sent_at
    from positions
    group by customer_id, channel

),

binding_caps as (

    select
        positions.customer_id,
        positions.channel,
        caps.cap,
        positions.sent_on + caps.cap_days as free_on
    from positions
    inner join caps
        on
            positions.channel is not distinct from caps.channel
            and case
                when caps.counts_service then positions.place
                when not positions.is_service then positions.place_of_its_kind
            end = caps.max_contacts
    where positions.sent_on + caps.cap_days > {{ as_of() }}
    qualify row_number() over (
        partition by positions.customer_id, positions.channel
        order by positions.sent_on + caps.cap_days desc, caps.cap asc
    ) = 1

),

frequencies as (

    select
        preferences.customer_id,
        preferences.brand_id,
        messages.sent_on + preferences.cap_days as free_on
    from preferences
    inner join messages
        on
            preferences.customer_id = messages.customer_id
            and preferences.brand_id = messages.brand_id
    where not messages.is_service
    qualify row_number() over (
        partition by preferences.customer_id, preferences.brand_id
        order by messages.sent_at desc, messages.message_id asc
    ) = preferences.max_contacts

),

brand_openings as (

    select
        consents.customer_id,
        consents.channel,
        consents.brand_id,
        coalesce(preferences.pause_until >= {{ as_of() }} or preferences.max_contacts = 0, false)
            as is_paused,
        case
            when preferences.max_contacts = 0 then null
            else greatest({{ as_of() }}, preferences.pause_until + 1, frequencies.free_on)
        end as opens_on
    from consents
    left join preferences
        on
            consents.customer_id = preferences.customer_id
            and consents.brand_id = preferences.brand_id
    left join frequencies
        on
            consents.customer_id = frequencies.customer_id
            and consents.brand_id = frequencies.brand_id

),

openings as (

    select
        customer_id,
        channel,
        min(opens_on) as opens_on,
        bool_and(is_paused) as is_paused,
        list_sort(list(distinct brand_id) filter (where opens_on = {{ as_of() }}))
            as open_brand_ids
    from brand_openings
    group by grouping sets ((customer_id, channel), (customer_id))

),

used as (

    select
        coalesce(openings.customer_id, sent.customer_id) as customer_id,
        coalesce(openings.channel, sent.channel) as channel,
        openings.customer_id is not null as has_consent,
        openings.opens_on,
        openings.is_paused,
        openings.open_brand_ids,
        sent.sent_1d,
        sent.sent_7d,
        sent.sent_30d,
        sent.service_30d,
        sent.last_sent_at
    from openings
    full outer join sent
        on
            openings.customer_id = sent.customer_id
            and openings.channel is not distinct from sent.channel

),

capped as (

    select
        used.*,
        case
            when coalesce(overall.free_on > own.free_on, own.free_on is null) then overall.cap
            else own.cap
        end as binding_cap,
        greatest(own.free_on, overall.free_on) as capped_until
    from used
    left join binding_caps as own
        on
            used.customer_id = own.customer_id
            and used.channel is not distinct from own.channel
    left join binding_caps as overall
        on used.customer_id = overall.customer_id and overall.channel is null

),

final as (

    select
        customer_id,
        channel,
        coalesce(sent_1d, 0) as sent_1d,
        coalesce(sent_7d, 0) as sent_7d,
        coalesce(sent_30d, 0) as sent_30d,
        coalesce(service_30d, 0) as service_30d,
        last_sent_at,
        binding_cap is not null as is_capped,
        binding_cap,
        open_brand_ids,
        case
            when not has_consent then 'consent'
            when is_paused then 'pause'
            when opens_on > {{ as_of() }} then 'frequency'
            when binding_cap is not null then 'cap'
        end as blocked_by,
        case when opens_on is not null then greatest(opens_on, capped_until) end
            as next_allowed_on
    from capped

)

select * from final
