{# Grain: one row per answer that a customer gave; those that are personal stay in the entities. #}
{{ config(materialized='view') }}

with answers as (

    select * from {{ ref('entity_answers') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

questions as (

    select * from {{ ref('questions') }}

),

final as (

    select
        answers.answer_key as answer_id,
        records.customer_id,
        answers.brand_id,
        answers.answered_at,
        answers.question,
        questions.purpose,
        case when not questions.is_personal then answers.answer end as answer,
        answers.form,
        answers.text_version,
        greatest(answers.load_id, records.load_id) as load_id
    from answers
    left join records on answers.record_key = records.record_key
    left join questions on answers.question = questions.question

)

select * from final
