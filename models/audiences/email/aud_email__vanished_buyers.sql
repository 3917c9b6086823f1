{#
    Grain: one row per person and brand to write to. Members of segments.vanished_buyer whose
    consent to marketing by e-mail stands on the as-of day, for each brand that has it. Who
    withdrew, never gave it, or asked to be forgotten is not here. The address is joined from pii
    at the moment of sending.
#}
with members as (

    select * from {{ ref('seg_vanished_buyer') }}

),

consents as (

    select * from {{ ref('consents') }}
    where purpose = 'marketing' and channel = 'email' and is_granted

),

final as (

    select
        members.customer_id,
        consents.brand_id,
        members.entered_at,
        consents.decided_at as consented_at
    from members
    inner join consents on members.customer_id = consents.customer_id

)

select * from final
