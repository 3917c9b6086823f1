{#
    Grain: one row per customer who may be written to on some channel: on which one a message is
    likeliest to be followed by a purchase, and how sure that is. A choice of the customer's own is
    made only where lots have shown that it sells more than the best channel of all; otherwise
    everybody has the best one that is open. As the last job predict found it; a channel that no
    brand may use any more is left out.
#}
{{ config(materialized='view') }}

with choices as (

    select * from {{ source('predictions', 'channel_choices') }}

),

customers as (

    select * from {{ ref('customers') }} where erasure_requested_at is null

),

consents as (

    select * from {{ ref('consents') }} where purpose = 'marketing' and is_granted

),

final as (

    select
        choices.customer_id,
        choices.best_channel,
        choices.channel_evidence,
        choices.is_personal,
        choices.expected_response,
        choices.lower_bound,
        choices.reason,
        choices.as_of as chosen_on
    from choices
    inner join customers on choices.customer_id = customers.customer_id
    semi join consents
        on
            choices.customer_id = consents.customer_id
            and choices.best_channel = consents.channel

)

select * from final
