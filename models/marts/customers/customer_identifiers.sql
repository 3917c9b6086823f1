{# Grain: one row per customer and identifier, without its value (pii.customer_identifiers). #}
{{ config(materialized='view') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }} where customer_id is not null

),

final as (

    select
        clusters.customer_id,
        identifiers.id_type,
        identifiers.id_key,
        identifiers.first_seen_at,
        identifiers.last_seen_at,
        identifiers.record_count,
        identifiers.node = clusters.founder_node as is_founder,
        greatest(clusters.load_id, identifiers.seen_load_id) as load_id
    from clusters
    inner join identifiers on clusters.node = identifiers.node

)

select * from final
