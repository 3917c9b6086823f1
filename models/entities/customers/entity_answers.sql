{#
    Grain: one row per answer that a person gave; several choices are several rows.
#}
{{ config(unique_key='answer_key') }}

with answers as (

    select * from {{ ref('stg_declared__answers') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        answers.source_system || ':' || answers.answer_id as answer_key,
        answers.source_system,
        answers.brand_id,
        {{ person_record(
            'answers',
            record_key('answers.source_system', 'answers', 'answers.answer_id')
        ) }} as record_key,
        answers.answered_at,
        answers.question,
        answers.answer,
        answers.form,
        answers.text_version,
        answers.load_id
    from answers
    left join systems on answers.source_system = systems.source_system

)

select * from final
