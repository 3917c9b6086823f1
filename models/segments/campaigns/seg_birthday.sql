{#
    Grain: one row per member. Birthday: has it today or within the next six days. The day itself
    is personal and stays in pii.customers; everybody entered at the start of the as-of day.
#}
with customers as (

    {{ segment_base() }}

),

final as (

    select
        customer_id,
        cast({{ as_of() }} as timestamp) as entered_at,
        has_birthday_within_7_days,
        lifecycle_stage,
        has_email_consent
    from customers
    where has_birthday_within_7_days

)

select * from final
