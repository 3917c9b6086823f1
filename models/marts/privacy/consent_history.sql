{#
    Grain: one row per customer, brand, purpose, channel and span of time with one state: granted
    or withdrawn. A decision counts from its own moment to the next one; of two at the same moment
    the withdrawal counts. Who decides again the same stays in the span, which keeps its start.
    Before the first decision nothing is known, and there is no row.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(
        by_record=ref('entity_consent_events'), by_contact_point=ref('entity_consent_events')
    ) }}"
) }}

with all_events as (

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

{% if is_incremental() -%}
touched as (

    select * from touched_customers

),

touched_records as (

    select records.record_key
    from records
    semi join touched on records.customer_id = touched.customer_id

),

touched_points as (

    select contact_points.*
    from contact_points
    semi join touched on contact_points.customer_id = touched.customer_id

),

events as (

    select *
    from all_events
    where
        record_key in (select touched_records.record_key from touched_records)
        or email in (
            select touched_points.id_value
            from touched_points
            where touched_points.id_type = 'email'
        )
        or phone in (
            select touched_points.id_value
            from touched_points
            where touched_points.id_type = 'phone'
        )

),
{%- else -%}
events as (

    select * from all_events

),
{%- endif %}

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

decisions as (

    select
        customer_id,
        brand_id,
        purpose,
        channel,
        occurred_at,
        decision = 'granted' as is_granted,
        text_version,
        event_key
    from attributed
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched)
        {%- endif %}
    qualify row_number() over (
        partition by customer_id, brand_id, purpose, channel, occurred_at
        order by decision = 'withdrawn' desc, event_key
    ) = 1

),

followed as (

    select
        *,
        lag(is_granted) over so_far as was_granted,
        lag(occurred_at) over so_far as previous_at,
        lag(text_version) over so_far as previous_text_version,
        last_value(occurred_at) over to_the_end as last_at,
        last_value(text_version) over to_the_end as last_text_version
    from decisions
    window
        so_far as (partition by customer_id, brand_id, purpose, channel order by occurred_at),
        to_the_end as (
            partition by customer_id, brand_id, purpose, channel
            order by occurred_at
            rows between current row and unbounded following
        )

),

changes as (

    select * from followed
    where was_granted is null or was_granted <> is_granted

),

final as (

    -- What was decided last in a span is what came before the change that ends it.
    select
        customer_id,
        brand_id,
        purpose,
        channel,
        is_granted,
        occurred_at as valid_from,
        lead(occurred_at) over consent as valid_until,
        event_key as event_id,
        text_version,
        coalesce(lead(previous_at) over consent, last_at) as confirmed_at,
        case
            when lead(occurred_at) over consent is null then last_text_version
            else lead(previous_text_version) over consent
        end as confirmed_text_version,
        {{ this_load() }} as load_id
    from changes
    window consent as (partition by customer_id, brand_id, purpose, channel order by occurred_at)

)

select * from final
