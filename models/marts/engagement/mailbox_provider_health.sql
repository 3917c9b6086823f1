{#
    Grain: one row per mailbox provider of a customer who was sent an e-mail within 120 days: how
    much of it arrives and is opened in the last 30 days, and in the 90 before them. A provider that
    begins to keep mail back shows in falling opens or rising bounces. Opens count once a message.
#}
with messages as (

    select * from {{ ref('messages') }}
    where
        customer_id is not null
        and channel = 'email'
        and sent_at >= {{ as_of() }} - interval 119 day

),

customers as (

    select * from {{ ref('customers') }} where mailbox_provider is not null

),

counts as (

    select
        customers.mailbox_provider,
        count(distinct messages.customer_id) as customer_count,
        count(case when messages.sent_at >= {{ as_of() }} - interval 29 day then 1 end)
            as sent_30d,
        count(
            case
                when messages.sent_at >= {{ as_of() }} - interval 29 day
                    then messages.first_opened_at
            end
        ) as opened_30d,
        count(
            case
                when messages.sent_at >= {{ as_of() }} - interval 29 day
                    then messages.bounced_at
            end
        ) as bounced_30d,
        count(*) as sent_120d,
        count(messages.first_opened_at) as opened_120d,
        count(messages.bounced_at) as bounced_120d
    from messages
    inner join customers on messages.customer_id = customers.customer_id
    group by customers.mailbox_provider

),

final as (

    select
        mailbox_provider,
        customer_count,
        sent_30d,
        sent_120d - sent_30d as sent_prior_90d,
        cast(round(opened_30d / nullif(sent_30d, 0), 4) as decimal(5, 4)) as open_rate_30d,
        cast(
            round((opened_120d - opened_30d) / nullif(sent_120d - sent_30d, 0), 4)
            as decimal(5, 4)
        ) as open_rate_prior_90d,
        cast(round(bounced_30d / nullif(sent_30d, 0), 4) as decimal(5, 4)) as bounce_rate_30d,
        cast(
            round((bounced_120d - bounced_30d) / nullif(sent_120d - sent_30d, 0), 4)
            as decimal(5, 4)
        ) as bounce_rate_prior_90d
    from counts

)

select * from final
