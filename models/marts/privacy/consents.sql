{#
    Grain: one row per customer, brand, purpose and channel that a decision is known about.
    The latest decision counts; of two at the same moment the withdrawal.
#}
with events as (

    select * from {{ ref('entity_consent_events') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

identifiers as (

    select * from {{ ref('identity_identifiers') }} where id_type in ('email', 'phone')

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

contact_points as (

    select
        identifiers.id_type,
        identifiers.id_value,
        clusters.customer_id
    from identifiers
    inner join clusters on identifiers.node = clusters.node

),

attributed as (

    select
        events.*,
        coalesce(records.customer_id, emails.customer_id, phones.customer_id) as customer_id
    from events
    left join records on events.record_key = records.record_key
    left join contact_points as emails
        on emails.id_type = 'email' and events.email = emails.id_value
    left join contact_points as phones
        on phones.id_type = 'phone' and events.phone = phones.id_value

),

latest as (

    select
        customer_id,
        brand_id,
        purpose,
        channel,
        decision,
        occurred_at as decided_at,
        text_version
    from attributed
    where customer_id is not null
    qualify row_number() over (
        partition by customer_id, brand_id, purpose, channel
        order by occurred_at desc, decision = 'withdrawn' desc, event_key
    ) = 1

)

select
    customer_id,
    brand_id,
    purpose,
    channel,
    decision = 'granted' as is_granted,
    decided_at,
    text_version
from latest
