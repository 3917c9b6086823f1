{#
    Grain: one row per customer and experiment whose arm another system drew: the first value of the
    attribute experiment:<experiment_id> that came within the days of the experiment. Of two at the
    same moment the one of the lower key. A value that is no arm of seeds/segments/experiment_arms
    is not taken.
#}
{{ config(materialized='view') }}

with attributes as (

    select * from {{ ref('entity_attributes') }} where starts_with(attribute, 'experiment:')

),

experiments as (

    select * from {{ ref('experiments') }} where assigned_by = 'attribute'

),

arms as (

    select * from {{ ref('experiment_arms') }}

),

records as (

    select * from {{ ref('identity_records') }} where customer_id is not null

),

final as (

    select
        experiments.experiment_id,
        records.customer_id,
        arms.arm,
        attributes.observed_at as assigned_at
    from attributes
    inner join records on attributes.record_key = records.record_key
    inner join experiments
        on
            attributes.attribute = 'experiment:' || experiments.experiment_id
            and cast(attributes.observed_at as date) >= experiments.starts_on
            and (
                experiments.ends_on is null
                or cast(attributes.observed_at as date) <= experiments.ends_on
            )
    inner join arms
        on experiments.experiment_id = arms.experiment_id and attributes.value = arms.arm
    qualify row_number() over (
        partition by experiments.experiment_id, records.customer_id
        order by attributes.observed_at, attributes.attribute_key
    ) = 1

)

select * from final
