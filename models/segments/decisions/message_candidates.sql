{#
    Grain: one row per customer and message that the customer could get: as a member of the
    message's segment, or because a step of a journey is due (segments.journey_positions).
    Each message is tried on its channels, for each brand that may write there on the as-of day
    (marts.contact_pressure: consent, pauses and frequencies of the brand, caps of the group), and
    the best way is taken: one that is open before one that is not, then the channel that the
    customer asked the brand for, then the one that lots have shown to sell best, then the one that
    is answered best, ignored ones last, then the first of the message, then the brand that the
    customer buys from most. blocked_by says what keeps the message back on that way; the gates are
    those of seeds/segments/message_gates.
#}
{{ config(materialized='table') }}

with message_catalog as (

    select * from {{ ref('message_catalog') }}

),

customers as (

    {{ segment_base() }}

),

memberships as (

    select * from {{ ref('memberships') }}

),

due_steps as (

    select * from {{ ref('journey_positions') }} where status = 'due'

),

contact_pressure as (

    select * from {{ ref('contact_pressure') }} where channel is not null

),

preferences as (

    select * from {{ ref('preference_centre') }}

),

customer_channels as (

    select * from {{ ref('customer_channels') }}

),

profiling_consents as (

    select * from {{ ref('consents') }} where purpose = 'profiling' and is_granted

),

proven_channels as (

    select * from {{ ref('channel_choices') }} where channel_evidence = 'randomised'

),

suggestions as (

    select * from {{ ref('product_suggestions') }}

),

message_sends as (

    select * from {{ ref('message_sends') }}

),

holdouts as (

    select * from {{ ref('holdouts') }} where is_global_holdout

),

open_cases as (

    select
        customer_id,
        bool_or(kind = 'complaint') as has_complaint
    from {{ ref('cases') }}
    where is_open and customer_id is not null
    group by customer_id

),

message_channels as (

    select
        message_id,
        unnest(string_split(channels, ' ')) as channel,
        generate_subscripts(string_split(channels, ' '), 1) as channel_position
    from message_catalog

),

candidates as (

    select
        memberships.customer_id,
        message_catalog.message_id,
        null as journey_id,
        null as step_number
    from memberships
    inner join message_catalog on memberships.segment_id = message_catalog.segment_id
    union all
    select
        customer_id,
        next_message_id as message_id,
        journey_id,
        next_step as step_number
    from due_steps

),

brands_per_channel as (

    -- A channel on which no brand may write keeps one row, without a brand.
    select
        customer_id,
        channel,
        unnest(coalesce(open_brand_ids, [null])) as brand_id,
        case when open_brand_ids is null then blocked_by end as closed_by,
        next_allowed_on
    from contact_pressure

),

ways as (

    select
        brands_per_channel.*,
        coalesce(preferences.preferred_channel = brands_per_channel.channel, false)
            as is_asked_for,
        preferences.topics,
        proven_channels.customer_id is not null as is_proven,
        coalesce(customer_channels.is_best, false) as is_best,
        coalesce(customer_channels.skip_reason = 'ignored', false) as is_ignored,
        coalesce(customer_channels.skip_reason <> 'ignored', false) as is_unreachable,
        profiling_consents.customer_id is not null as may_profile,
        coalesce(brands_per_channel.brand_id = customers.main_brand_id, false) as is_main_brand
    from brands_per_channel
    inner join customers on brands_per_channel.customer_id = customers.customer_id
    left join preferences
        on
            brands_per_channel.customer_id = preferences.customer_id
            and brands_per_channel.brand_id = preferences.brand_id
    left join proven_channels
        on
            brands_per_channel.customer_id = proven_channels.customer_id
            and brands_per_channel.channel = proven_channels.best_channel
    left join customer_channels
        on
            brands_per_channel.customer_id = customer_channels.customer_id
            and brands_per_channel.channel = customer_channels.channel
    left join profiling_consents
        on
            brands_per_channel.customer_id = profiling_consents.customer_id
            and brands_per_channel.brand_id = profiling_consents.brand_id
            and brands_per_channel.channel = profiling_consents.channel

),

ways_of_candidates as (

    select
        candidates.customer_id,
        candidates.message_id,
        ways.channel,
        ways.brand_id,
        ways.next_allowed_on,
        ways.is_asked_for,
        ways.is_proven,
        ways.is_best,
        ways.is_ignored,
        ways.is_main_brand,
        message_channels.channel_position,
        case
            when ways.closed_by is not null then ways.closed_by
            when ways.is_unreachable then 'unreachable'
            when message_catalog.purpose = 'profiling' and not ways.may_profile
                then 'profiling'
            when not list_contains(ways.topics, message_catalog.topic) then 'topic'
            when message_catalog.product_source is not null and suggestions.customer_id is null
                then 'product'
            when ways.next_allowed_on > {{ as_of() }} + message_catalog.max_wait_days then 'cap'
        end as closed_by
    from candidates
    inner join message_catalog on candidates.message_id = message_catalog.message_id
    inner join message_channels on candidates.message_id = message_channels.message_id
    inner join ways
        on
            candidates.customer_id = ways.customer_id
            and message_channels.channel = ways.channel
    left join suggestions
        on
            candidates.customer_id = suggestions.customer_id
            and ways.brand_id = suggestions.brand_id
            and message_catalog.product_source = suggestions.product_source

),

best_ways as (

    select * from ways_of_candidates
    qualify row_number() over (
        partition by customer_id, message_id
        order by
            closed_by is null desc,
            is_asked_for desc,
            is_proven desc,
            is_best desc,
            is_ignored asc,
            channel_position asc,
            is_main_brand desc,
            brand_id asc nulls last
    ) = 1

),

judged as (

    select
        candidates.customer_id,
        candidates.message_id,
        candidates.journey_id,
        candidates.step_number,
        message_catalog.priority,
        best_ways.channel,
        best_ways.brand_id,
        best_ways.next_allowed_on,
        case
            when best_ways.is_asked_for then 'asked for'
            when best_ways.is_proven then 'proven by lots'
            when best_ways.is_best then 'answered best'
            when best_ways.channel is not null then 'first open'
        end as channel_reason,
        [
            case when holdouts.customer_id is not null then 'holdout' end,
            case when open_cases.has_complaint then 'complaint' end,
            case
                when
                    not open_cases.has_complaint and message_catalog.stops_for_open_case
                    then 'open_case'
            end,
            case
                when
                    cast(message_sends.last_sent_at as date) + message_catalog.quiet_days
                    > {{ as_of() }}
                    then 'quiet'
            end,
            case
                when best_ways.customer_id is null then 'consent'
                else best_ways.closed_by
            end
        ] as gates
    from candidates
    inner join message_catalog on candidates.message_id = message_catalog.message_id
    left join best_ways
        on
            candidates.customer_id = best_ways.customer_id
            and candidates.message_id = best_ways.message_id
    left join holdouts on candidates.customer_id = holdouts.customer_id
    left join open_cases on candidates.customer_id = open_cases.customer_id
    left join message_sends
        on
            candidates.customer_id = message_sends.customer_id
            and candidates.message_id = message_sends.message_id

),

gated as (

    select
        *,
        list_filter(gates, lambda gate: gate is not null) as blocked_by
    from judged

),

final as (

    select
        customer_id,
        message_id,
        journey_id,
        step_number,
        channel,
        channel_reason,
        brand_id,
        next_allowed_on,
        len(blocked_by) = 0 as is_allowed,
        blocked_by,
        row_number() over (
            partition by customer_id
            order by len(blocked_by) = 0 desc, priority asc, message_id asc
        ) as candidate_rank
    from gated

)

select * from final
