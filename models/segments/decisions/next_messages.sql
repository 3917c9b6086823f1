{#
    Grain: one row per customer who may be in a segment: the one message to send next, with
    channel, day, hour, products, text and reasons, or why there is none.
    It is the message of the highest priority that nothing keeps back
    (segments.message_candidates). It is sent on the customer's weekday where that comes before
    the message has waited too long, otherwise on the first day on which contact pressure allows
    it. Every day decides anew: what is to be sent on a later day is a plan.
#}
{{ config(materialized='table') }}

with customers as (

    {{ segment_base() }}

),

best_candidates as (

    select * from {{ ref('message_candidates') }} where candidate_rank = 1

),

message_catalog as (

    select * from {{ ref('message_catalog') }}

),

message_gates as (

    select * from {{ ref('message_gates') }}

),

contact_times as (

    select * from {{ ref('customer_contact_times') }}

),

suggestions as (

    select * from {{ ref('product_suggestions') }}

),

memberships as (

    select * from {{ ref('memberships') }}

),

content_variants as (

    select * from {{ ref('content_variants') }}

),

variants as (

    select
        best_candidates.customer_id,
        content_variants.variant,
        content_variants.segment_id,
        content_variants.text_key
    from best_candidates
    inner join content_variants on best_candidates.message_id = content_variants.content_id
    left join memberships
        on
            best_candidates.customer_id = memberships.customer_id
            and content_variants.segment_id = memberships.segment_id
    where
        best_candidates.is_allowed
        and (content_variants.segment_id is null or memberships.customer_id is not null)
    qualify row_number() over (
        partition by best_candidates.customer_id order by content_variants.position
    ) = 1

),

timed as (

    select
        best_candidates.*,
        contact_times.best_hour,
        contact_times.best_weekday,
        best_candidates.next_allowed_on + cast(
            (contact_times.best_weekday - isodow(best_candidates.next_allowed_on) + 7) % 7
            as integer
        ) as weekday_on
    from best_candidates
    left join contact_times on best_candidates.customer_id = contact_times.customer_id
    where best_candidates.is_allowed

),

decided as (

    select
        timed.*,
        message_catalog.segment_id,
        message_catalog.title,
        message_catalog.reason as message_reason,
        message_catalog.product_source,
        coalesce(timed.weekday_on <= {{ as_of() }} + message_catalog.max_wait_days, false)
            as is_on_weekday
    from timed
    inner join message_catalog on timed.message_id = message_catalog.message_id

),

composed as (

    select
        decided.customer_id,
        decided.message_id,
        decided.title,
        decided.segment_id,
        decided.journey_id,
        decided.step_number,
        decided.channel,
        decided.brand_id,
        case when decided.is_on_weekday then decided.weekday_on else decided.next_allowed_on end
            as send_on,
        decided.best_hour as send_hour,
        suggestions.product_ids,
        suggestions.product_reasons,
        variants.variant,
        coalesce(variants.text_key, decided.message_id) as text_key,
        [
            decided.message_reason,
            'is in ' || decided.segment_id,
            'step ' || decided.step_number || ' of ' || decided.journey_id || ' is due',
            case decided.channel_reason
                when 'asked for' then 'asked for ' || decided.channel
                when 'proven by lots' then 'buys most after ' || decided.channel
                when 'answered best' then 'answers best on ' || decided.channel
                else decided.channel || ' is the first channel that is open'
            end,
            case
                when decided.next_allowed_on > {{ as_of() }}
                    then 'has been sent enough until ' || decided.next_allowed_on
            end,
            case
                when decided.is_on_weekday
                    then 'is there most on a ' || dayname(decided.weekday_on)
            end,
            'is there most at ' || decided.best_hour || ':00',
            'gets the text for ' || variants.segment_id
        ] as all_reasons
    from decided
    left join variants on decided.customer_id = variants.customer_id
    left join suggestions
        on
            decided.customer_id = suggestions.customer_id
            and decided.brand_id = suggestions.brand_id
            and decided.product_source = suggestions.product_source

),

chosen as (

    select
        *,
        list_filter(all_reasons, lambda reason: reason is not null) as reasons
    from composed

),

refused as (

    select
        best_candidates.customer_id,
        best_candidates.blocked_by[1] as gate,
        message_catalog.title
    from best_candidates
    inner join message_catalog on best_candidates.message_id = message_catalog.message_id
    where not best_candidates.is_allowed

),

final as (

    select
        customers.customer_id,
        chosen.message_id,
        chosen.title,
        chosen.segment_id,
        chosen.journey_id,
        chosen.step_number,
        chosen.channel,
        chosen.brand_id,
        chosen.send_on,
        chosen.send_hour,
        chosen.product_ids,
        chosen.product_reasons,
        chosen.variant,
        chosen.text_key,
        case when chosen.customer_id is null then message_gates.gate end as blocked_by,
        coalesce(
            chosen.reasons, [concat_ws(': ', refused.title, message_gates.reason)]
        ) as reasons
    from customers
    left join chosen on customers.customer_id = chosen.customer_id
    left join refused on customers.customer_id = refused.customer_id
    left join message_gates on coalesce(refused.gate, 'no_segment') = message_gates.gate

)

select * from final
