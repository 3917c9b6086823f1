{# Grain: one row per note of an employee about a customer; what was written is not here. #}
{{ config(materialized='view') }}

with notes as (

    select * from {{ ref('entity_notes') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

final as (

    select
        notes.note_key as note_id,
        records.customer_id,
        notes.brand_id,
        notes.noted_at,
        notes.department,
        notes.action,
        notes.effect,
        notes.case_key as case_id,
        greatest(notes.load_id, records.load_id) as load_id
    from notes
    left join records on notes.record_key = records.record_key

)

select * from final
