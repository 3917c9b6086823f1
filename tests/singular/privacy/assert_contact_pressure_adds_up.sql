{#
    Contact pressure counts the messages of marts.messages, each once on its channel and once over
    all. A failing row is a customer and channel (NULL for all) whose counts of 30 days differ.
#}
{{ config(meta={'dagster': {'ref': {'name': 'contact_pressure'}}}) }}

with messages as (

    select * from {{ ref('messages') }}
    where customer_id is not null and sent_at >= {{ as_of() }} - interval 29 day

),

expected as (

    select
        customer_id,
        channel,
        count(*) as sent_30d,
        count(case when department = 'service' then 1 end) as service_30d
    from messages
    group by grouping sets ((customer_id, channel), (customer_id))

),

found as (

    select * from {{ ref('contact_pressure') }} where sent_30d > 0 or service_30d > 0

)

select
    coalesce(expected.customer_id, found.customer_id) as customer_id,
    coalesce(expected.channel, found.channel) as channel,
    expected.sent_30d as expected_sent_30d,
    found.sent_30d
from expected
full outer join found
    on
        expected.customer_id = found.customer_id
        and expected.channel is not distinct from found.channel
where
    expected.sent_30d is distinct from found.sent_30d
    or expected.service_30d is distinct from found.service_30d
