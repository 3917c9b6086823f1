{#
    Grain: one row per consent event and channel; a decision about all channels is one row for
    each. record_key names the record of the person where the event does, otherwise the
    normalised e-mail or phone does; at least one of them is there, or nobody is meant.
#}
{{ config(unique_key=['event_key', 'channel']) }}

with consent_events as (

    select * from {{ ref('stg_privacy__consent_events') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

channels as (

    select unnest([
        'email', 'web_push', 'app_push', 'sms', 'voice', 'phone', 'social', 'direct_mail'
    ]) as channel

),

spread as (

    select
        consent_events.source_system || ':' || consent_events.event_id as event_key,
        consent_events.source_system,
        consent_events.brand_id,
        consent_events.occurred_at,
        consent_events.purpose,
        channels.channel,
        consent_events.decision,
        {{ person_record('consent_events') }} as record_key,
        {{ email_identifier('consent_events.email') }} as email,
        consent_events.phone,
        consent_events.text_version,
        consent_events.load_id
    from consent_events
    left join systems on consent_events.source_system = systems.source_system
    inner join channels
        on consent_events.channel = channels.channel or consent_events.channel = 'all'

)

select * from spread
