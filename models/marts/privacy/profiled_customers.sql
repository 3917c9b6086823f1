{#
    Grain: one row per customer whom a profile may be made of: a brand was granted profiling on
    some channel, and the customer did not ask to be forgotten. Which brand may use it, and where,
    is decided when something is sent (segments.message_candidates).
#}
with customers as (

    select * from {{ ref('customers') }} where erasure_requested_at is null

),

consents as (

    select * from {{ ref('consents') }} where purpose = 'profiling' and is_granted

),

final as (

    select customers.customer_id
    from customers
    semi join consents on customers.customer_id = consents.customer_id

)

select * from final
