{#
    Grain: one row per cookie, named with the system of the accounts that its visitors log in to,
    with its customer. What a visitor does without logging in is found to be a customer's here. A
    cookie that several people share belongs to nobody; it stays here, since the load in which it
    became nobody's is what tells increments that its visits are not the customer's any more.
#}
{{ config(materialized='view') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }} where id_type = 'cookie'

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

final as (

    select
        identifiers.id_value as cookie,
        clusters.customer_id,
        clusters.load_id
    from identifiers
    inner join clusters on identifiers.node = clusters.node

)

select * from final
