{#
    Grain: one row per member. Birthday: has it today or within the next six days. The day
    itself is personal and stays in pii.customers; everybody entered at the start of the as-of
    day.
#}
{{ config(meta={
    'title': 'Birthday',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'sms', 'app_push'],
    'suggested_action': 'Congratulate with a present'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        cast({{ as_of() }} as timestamp) as day_started_at,
        has_birthday_within_7_days,
        lifecycle_stage,
        has_email_consent
    from customers

),

final as (

    select
        customer_id,
        day_started_at as entered_at,
        has_birthday_within_7_days,
        lifecycle_stage,
        has_email_consent
    from evidence
    where has_birthday_within_7_days

)

select * from final
