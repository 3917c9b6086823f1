{#
    Grain: one row per cookie that belongs to a customer, named with the system of the accounts that
    its visitors log in to. A cookie that several people share belongs to nobody. What a visitor
    does without logging in is found to be a customer's here.
#}
{{ config(materialized='view') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }} where id_type = 'cookie'

),

clusters as (

    select * from {{ ref('identity_clusters') }} where customer_id is not null

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
