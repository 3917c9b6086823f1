{# Grain: one row per source record that belongs to a person, with its customer. #}
{{ config(materialized='view') }}

with records as (

    select * from {{ ref('identity_records') }}

),

documents as (

    select * from {{ ref('entity_sales_documents') }} where record_key is not null

),

sessions as (

    select * from {{ ref('entity_web_sessions') }}

),

systems as (

    select * from {{ ref('systems') }}

),

cookies as (

    select * from {{ ref('identity_identifiers') }} where id_type = 'cookie'

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

visitors as (

    select
        sessions.source_system,
        sessions.visitor_id,
        coalesce(max(systems.account_system), sessions.source_system)
        || ':' || sessions.visitor_id as id_value,
        max(sessions.load_id) as load_id
    from sessions
    left join systems on sessions.source_system = systems.source_system
    group by sessions.source_system, sessions.visitor_id

),

final as (

    select
        source_system,
        source_entity,
        source_record_id,
        customer_id,
        attached_by,
        load_id
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
        end as attached_by,
        greatest(documents.load_id, records.load_id) as load_id
    from documents
    left join records on documents.record_key = records.record_key
    union all
    select
        visitors.source_system,
        'visitors' as source_entity,
        visitors.visitor_id as source_record_id,
        clusters.customer_id,
        case when clusters.customer_id is not null then 'cookie' end as attached_by,
        greatest(visitors.load_id, cookies.load_id, clusters.load_id) as load_id
    from visitors
    inner join cookies on visitors.id_value = cookies.id_value
    left join clusters on cookies.node = clusters.node

)

select * from final
