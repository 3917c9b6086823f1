{# Grain: one row per customer and identifier with its value. Not published to readers. #}
{{ config(schema='pii', access='protected', group='inner', materialized='view') }}

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
        identifiers.id_value,
        identifiers.id_key
    from clusters
    inner join identifiers on clusters.node = identifiers.node

)

select * from final
