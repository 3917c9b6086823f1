{#
    Grain: one row per customer and brand whose preference centre was answered, in whatever form
    it was asked. The last answer to a question counts, also when it takes an earlier one back or
    is not understood: what cannot be read is unknown, never guessed. Topics of one moment belong
    together; of two other answers at one moment the one with the lower key counts.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(by_record=ref('entity_answers')) }}"
) }}

with answers as (

    select * from {{ ref('entity_answers') }}
    where question in ('preferred_channel', 'preferred_frequency', 'topics', 'pause_until')

),

records as (

    select * from {{ ref('identity_records') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

meanings as (

    select * from {{ ref('preference_answers') }}

),

latest as (

    select
        records.customer_id,
        answers.brand_id,
        answers.question,
        lower(trim(answers.answer)) as answer,
        answers.answered_at,
        answers.answer_key,
        answers.text_version
    from answers
    inner join records on answers.record_key = records.record_key
    qualify rank() over (
        partition by records.customer_id, answers.brand_id, answers.question
        order by
            answers.answered_at desc,
            case when answers.question <> 'topics' then answers.answer_key end
    ) = 1

),

understood as (

    select
        latest.*,
        meanings.value,
        meanings.cap_days,
        meanings.max_contacts,
        case when latest.question = 'pause_until' then try_cast(latest.answer as date) end
            as pause_until
    from latest
    left join meanings on latest.question = meanings.question and latest.answer = meanings.answer

),

final as (

    select
        customer_id,
        brand_id,
        max(case when question = 'preferred_channel' then value end) as preferred_channel,
        max(case when question = 'preferred_frequency' then value end) as preferred_frequency,
        max(cap_days) as cap_days,
        max(max_contacts) as max_contacts,
        list_sort(list(distinct value) filter (where question = 'topics' and value is not null))
            as topics,
        max(pause_until) as pause_until,
        list_sort(
            list(distinct question) filter (
                where answer is not null and coalesce(value, cast(pause_until as varchar)) is null
            )
        ) as unknown_questions,
        max(answered_at) as answered_at,
        max_by(text_version, cast(answered_at as varchar) || answer_key) as text_version,
        {{ this_load() }} as load_id
    from understood
    group by customer_id, brand_id

)

select * from final
