{#
    Grain: one row per customer: which questions of seeds/questions are answered, and which one to
    ask next. A question is answered when its profile field has a value in the golden record that is
    not inferred; a question without a field, when the latest answer to it or attribute of its name
    tells something. Who would rather not say is not asked again for a year. The question of
    priority 1 weighs most, each one after it a step less.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(
        by_record=[
            ref('entity_profiles'), ref('entity_answers'), ref('entity_attributes'),
            ref('entity_identifier_sightings')
        ],
        by_expiry='holds_until'
    ) }}"
) }}

with clusters as (

    select * from {{ ref('identity_clusters') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

records as (

    select * from {{ ref('identity_records') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

provenance as (

    select * from {{ ref('customer_provenance') }} where method <> 'inferred'

),

all_answers as (

    select * from {{ ref('entity_answers') }}

),

all_attributes as (

    select * from {{ ref('entity_attributes') }}
    where valid_until is null or valid_until >= {{ as_of() }}

),

questions as (

    select
        *,
        coalesce(profile_field, question) as field,
        max(priority) over () + 1 - priority as weight
    from {{ ref('questions') }}

),

customers as (

    select customer_id
    from clusters
    group by customer_id

),

answers as (

    select
        records.customer_id,
        all_answers.question,
        cast(all_answers.answered_at as date) as answered_on,
        {{ plain_text('all_answers.answer') }} = 'rather not say' as is_refused
    from all_answers
    inner join records on all_answers.record_key = records.record_key
    qualify row_number() over (
        partition by records.customer_id, all_answers.question
        order by all_answers.answered_at desc, all_answers.answer_key desc
    ) = 1

),

attributes as (

    select
        records.customer_id,
        all_attributes.attribute,
        all_attributes.value,
        all_attributes.valid_until
    from all_attributes
    inner join records on all_attributes.record_key = records.record_key
    qualify row_number() over (
        partition by records.customer_id, all_attributes.attribute
        order by all_attributes.observed_at desc, all_attributes.attribute_key desc
    ) = 1

),

judged as (

    select
        customers.customer_id,
        questions.question,
        questions.title,
        questions.field,
        questions.priority,
        questions.weight,
        provenance.customer_id is not null
        or (
            questions.profile_field is null
            and (coalesce(not answers.is_refused, false) or attributes.value is not null)
        ) as is_known,
        coalesce(answers.is_refused and answers.answered_on + 365 >= {{ as_of() }}, false)
            as is_refused,
        least(
            provenance.expires_on,
            attributes.valid_until,
            case when answers.is_refused then answers.answered_on + 365 end
        ) as holds_until
    from customers
    cross join questions
    left join provenance
        on
            customers.customer_id = provenance.customer_id
            and questions.profile_field = provenance.field
    left join answers
        on
            customers.customer_id = answers.customer_id
            and questions.question = answers.question
    left join attributes
        on
            customers.customer_id = attributes.customer_id
            and questions.question = attributes.attribute

),

summed as (

    select
        customer_id,
        list(field order by priority) filter (where is_known) as known_fields,
        list(field order by priority) filter (where not is_known) as missing_fields,
        count(case when is_known then 1 end) as known_count,
        count(case when not is_known then 1 end) as missing_count,
        round(sum(case when is_known then weight else 0 end) / sum(weight), 4) as completeness,
        min_by(question, priority) filter (where not is_known and not is_refused)
            as next_question,
        min_by(title, priority) filter (where not is_known and not is_refused)
            as next_question_title,
        min(case when holds_until >= {{ as_of() }} then holds_until end) as holds_until
    from judged
    group by customer_id

),

final as (

    select
        customer_id,
        known_fields,
        missing_fields,
        known_count,
        missing_count,
        completeness,
        next_question,
        next_question_title,
        holds_until,
        {{ this_load() }} as load_id
    from summed

)

select * from final
