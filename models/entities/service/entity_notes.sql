{#
    Grain: one row per note of an employee. What was written stays in the raw files.
#}
{{ config(unique_key='note_key') }}

with notes as (

    select * from {{ ref('stg_service__notes') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        notes.source_system || ':' || notes.note_id as note_key,
        notes.source_system,
        notes.brand_id,
        {{ person_record(
            'notes',
            record_key('notes.source_system', 'notes', 'notes.note_id')
        ) }} as record_key,
        notes.noted_at,
        notes.department,
        notes.action,
        notes.effect,
        notes.source_system || ':' || notes.case_id as case_key,
        notes.load_id
    from notes
    left join systems on notes.source_system = systems.source_system

)

select * from final
