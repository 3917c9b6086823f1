{#
    Grain: one row per customer who had to do with anybody: the open case that waits longest, and
    the last contact, so that nobody has to repeat a story. What was only sent is no contact.
#}
{{ config(materialized='view') }}

with timeline as (

    select * from {{ ref('timeline') }}
    where interaction not in ('message_sent', 'message_bounced')

),

cases as (

    select * from {{ ref('cases') }} where customer_id is not null

),

last_contacts as (

    select
        customer_id,
        max(happened_at) as last_contact_at,
        max_by(department, strftime(happened_at, '%Y%m%d%H%M%S%f') || interaction_id)
            as last_contact_department,
        max_by(channel, strftime(happened_at, '%Y%m%d%H%M%S%f') || interaction_id)
            as last_contact_channel,
        max_by(interaction, strftime(happened_at, '%Y%m%d%H%M%S%f') || interaction_id)
            as last_contact
    from timeline
    group by customer_id

),

cases_of_customers as (

    select
        customer_id,
        count(*) as case_count,
        count(case when is_open then 1 end) as open_case_count,
        count(case when kind = 'complaint' then 1 end) as complaint_count,
        min(case when is_open then opened_at end) as open_case_since,
        min_by(
            case_id, strftime(opened_at, '%Y%m%d%H%M%S%f') || case_id
        ) filter (where is_open) as open_case_id,
        min_by(
            topic, strftime(opened_at, '%Y%m%d%H%M%S%f') || case_id
        ) filter (where is_open) as open_case_topic,
        max_by(
            satisfaction, strftime(opened_at, '%Y%m%d%H%M%S%f') || case_id
        ) filter (where satisfaction is not null) as last_satisfaction
    from cases
    group by customer_id

),

final as (

    select
        last_contacts.customer_id,
        last_contacts.last_contact_at,
        last_contacts.last_contact_department,
        last_contacts.last_contact_channel,
        last_contacts.last_contact,
        coalesce(cases_of_customers.case_count, 0) as case_count,
        coalesce(cases_of_customers.open_case_count, 0) as open_case_count,
        coalesce(cases_of_customers.complaint_count, 0) as complaint_count,
        cases_of_customers.open_case_id,
        cases_of_customers.open_case_since,
        cases_of_customers.open_case_topic,
        cases_of_customers.last_satisfaction
    from last_contacts
    left join cases_of_customers on last_contacts.customer_id = cases_of_customers.customer_id

)

select * from final
