{# Grain: one row per source record that belongs to a person, with its customer. #}
{{ config(materialized='view') }}

with records as (

    select * from {{ ref('identity_records') }}

),

documents as (

    select * from {{ ref('entity_sales_documents') }} where record_key is not null

),

identifiers as (

    select * from {{ ref('identity_identifiers') }} where id_type = 'cookie'

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

final as (

    select
        source_system,
        source_entity,
        source_record_id,
        customer_id,
        attached_by
    from records
    where source_entity <> 'orders'
    union all
    select
        documents.source_system,
        documents.source_entity,
        documents.source_record_id,
        records.customer_id,
        case
            when documents.record_key = documents.document_key then records.attached_by
            when records.customer_id is not null then records.source_entity
        end as attached_by
    from documents
    left join records on documents.record_key = records.record_key
    union all
    select
        split_part(identifiers.id_value, ':', 1) as source_system,
        'visitors' as source_entity,
        substr(identifiers.id_value, length(split_part(identifiers.id_value, ':', 1)) + 2)
            as source_record_id,
        clusters.customer_id,
        case when clusters.customer_id is not null then 'cookie' end as attached_by
    from identifiers
    left join clusters on identifiers.node = clusters.node

)

select * from final
