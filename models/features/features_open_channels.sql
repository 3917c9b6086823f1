{#
    Grain: one row per customer and channel on which some brand may write to the customer, by
    consent, and which reaches: not bounced, complained about or unsubscribed from.
    Pauses and caps hold for days and are asked when a message is sent.
#}
with customers as (

    select * from {{ ref('customers') }} where erasure_requested_at is null

),

consents as (

    select * from {{ ref('consents') }} where purpose = 'marketing' and is_granted

),

customer_channels as (

    select * from {{ ref('customer_channels') }} where skip_reason <> 'ignored'

),

final as (

    select
        consents.customer_id,
        consents.channel
    from consents
    semi join customers on consents.customer_id = customers.customer_id
    anti join customer_channels
        on
            consents.customer_id = customer_channels.customer_id
            and consents.channel = customer_channels.channel
    group by consents.customer_id, consents.channel

)

select * from final
