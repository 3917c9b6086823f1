{#
    Grain: one row per customer who is at risk, inactive or lost, or never bought and was brought
    by a click that was not meant, and reason that there is evidence for. What speaks for a reason
    happened after the last purchase; a case may have been opened in the 30 days before it, and
    presents are the purchases themselves.
    A case ended badly when it was rejected, left open, or the customer was not satisfied (1 or 2
    of 5). Searching finds nothing when at least half of the searches do. Which reason comes first,
    and how much evidence it needs, says seeds/inactivity_reasons.
#}
with lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

orders as (

    select * from {{ ref('orders') }} where is_counted and customer_id is not null

),

notes as (

    select * from {{ ref('notes') }} where effect in ('not_interested', 'do_not_contact')

),

cases as (

    select * from {{ ref('cases') }}
    where
        kind in ('complaint', 'return', 'warranty', 'replacement')
        and (is_open or resolution = 'rejected' or satisfaction <= 2)

),

places as (

    select * from {{ ref('customer_places') }} where has_moved_away and usual_store_id is not null

),

interest as (

    select * from {{ ref('product_interest') }}

),

prices as (

    select * from {{ ref('product_prices') }} where is_sold_out

),

searches as (

    select * from {{ ref('searches') }}

),

sessions as (

    select * from {{ ref('web_sessions') }}

),

hosts as (

    select * from {{ ref('referring_hosts') }}
    where referrer_class in ('price_comparison', 'auction')

),

intents as (

    select * from {{ ref('customer_intents') }} where is_gift_only

),

behaviour as (

    select * from {{ ref('customer_behaviour') }} where accidental_click_count = session_count

),

reasons as (

    select * from {{ ref('inactivity_reasons') }}

),

gone as (

    select
        lifecycle.customer_id,
        max(orders.ordered_at) as last_order_at,
        count(*) as order_count
    from lifecycle
    inner join orders on lifecycle.customer_id = orders.customer_id
    where lifecycle.stage in ('at_risk', 'inactive', 'lost')
    group by lifecycle.customer_id

),

evidence as (

    select
        gone.customer_id,
        'declared' as reason,
        count(*) as evidence_count,
        max(notes.noted_at) as last_evidence_at,
        max_by(notes.note_id, cast(notes.noted_at as varchar) || notes.note_id) as evidence
    from gone
    inner join notes on gone.customer_id = notes.customer_id
    where notes.noted_at >= gone.last_order_at
    group by gone.customer_id
    union all
    select
        gone.customer_id,
        'service_problem' as reason,
        count(*) as evidence_count,
        max(cases.opened_at) as last_evidence_at,
        max_by(cases.case_id, cast(cases.opened_at as varchar) || cases.case_id) as evidence
    from gone
    inner join cases on gone.customer_id = cases.customer_id
    where cases.opened_at >= gone.last_order_at - interval 30 day
    group by gone.customer_id
    union all
    select
        gone.customer_id,
        'moved' as reason,
        1 as evidence_count,
        cast(places.moved_on as timestamp) as last_evidence_at,
        places.usual_store_id as evidence
    from gone
    inner join places on gone.customer_id = places.customer_id
    where places.moved_on >= cast(gone.last_order_at as date)
    union all
    select
        gone.customer_id,
        'stock_out' as reason,
        count(*) as evidence_count,
        max(interest.last_seen_at) as last_evidence_at,
        max_by(
            interest.product_id, cast(interest.last_seen_at as varchar) || interest.interest_id
        ) as evidence
    from gone
    inner join interest on gone.customer_id = interest.customer_id
    inner join prices
        on
            interest.product_id = prices.product_id
            and interest.last_seen_at >= prices.valid_from
            and (interest.last_seen_at < prices.valid_until or prices.valid_until is null)
    where interest.last_seen_at > gone.last_order_at
    group by gone.customer_id
    union all
    select
        gone.customer_id,
        'offer_mismatch' as reason,
        count(case when searches.result_count = 0 then 1 end) as evidence_count,
        max(case when searches.result_count = 0 then searches.searched_at end)
            as last_evidence_at,
        null as evidence
    from gone
    inner join searches on gone.customer_id = searches.customer_id
    where searches.searched_at > gone.last_order_at
    group by gone.customer_id
    having 2 * count(case when searches.result_count = 0 then 1 end) >= count(*)
    union all
    select
        gone.customer_id,
        'price' as reason,
        count(*) as evidence_count,
        max(sessions.started_at) as last_evidence_at,
        max_by(sessions.referrer, cast(sessions.started_at as varchar) || sessions.session_id)
            as evidence
    from gone
    inner join sessions on gone.customer_id = sessions.customer_id
    inner join hosts on sessions.referrer = hosts.referrer
    where sessions.started_at > gone.last_order_at
    group by gone.customer_id
    union all
    select
        gone.customer_id,
        'gift_only' as reason,
        intents.gift_order_count as evidence_count,
        cast(intents.last_gift_on as timestamp) as last_evidence_at,
        intents.last_gift_occasion as evidence
    from gone
    inner join intents on gone.customer_id = intents.customer_id
    union all
    select
        lifecycle.customer_id,
        'accidental_click' as reason,
        behaviour.accidental_click_count as evidence_count,
        null as last_evidence_at,
        null as evidence
    from lifecycle
    inner join behaviour on lifecycle.customer_id = behaviour.customer_id
    where lifecycle.stage = 'potential'
    union all
    select
        customer_id,
        'one_and_done' as reason,
        1 as evidence_count,
        last_order_at as last_evidence_at,
        null as evidence
    from gone
    where order_count = 1

),

final as (

    select
        evidence.customer_id,
        evidence.reason,
        row_number() over (
            partition by evidence.customer_id order by reasons.position
        ) as reason_rank,
        evidence.evidence_count,
        evidence.last_evidence_at,
        evidence.evidence
    from evidence
    inner join reasons on evidence.reason = reasons.reason
    where evidence.evidence_count >= reasons.min_evidence

)

select * from final
