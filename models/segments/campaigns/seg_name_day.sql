{#
    Grain: one row per member. Name day: has it today or within the next six days, by the
    calendar of the home country (seeds/name_days). Name and day are personal and not here;
    everybody entered at the start of the as-of day.
#}
{{ config(meta={
    'title': 'Name day',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'sms', 'app_push'],
    'suggested_action': 'Congratulate with a small present'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        cast({{ as_of() }} as timestamp) as day_started_at,
        has_name_day_within_7_days,
        lifecycle_stage,
        has_email_consent
    from customers

),

final as (

    select
        customer_id,
        day_started_at as entered_at,
        has_name_day_within_7_days,
        lifecycle_stage,
        has_email_consent
    from evidence
    where has_name_day_within_7_days

)

select * from final
