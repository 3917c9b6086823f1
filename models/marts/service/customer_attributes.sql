{#
    Grain: one row per customer and attribute of an outside system that everybody may see
    (seeds/published_attributes): the value that was observed last and is still valid. Of two at
    the same moment the one of the higher key.
#}
{{ config(materialized='view') }}

with observations as (

    select * from {{ ref('entity_attributes') }}

),

published as (

    select * from {{ ref('published_attributes') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

valid as (

    select
        records.customer_id,
        observations.attribute,
        observations.attribute_key,
        observations.value,
        observations.source_system,
        observations.observed_at,
        observations.valid_until
    from observations
    inner join records on observations.record_key = records.record_key
    semi join published on observations.attribute = published.attribute
    where
        records.customer_id is not null
        and (observations.valid_until is null or observations.valid_until >= {{ as_of() }})

),

final as (

    select
        customer_id,
        attribute,
        value,
        source_system,
        observed_at,
        valid_until
    from valid
    qualify row_number() over (
        partition by customer_id, attribute order by observed_at desc, attribute_key desc
    ) = 1

)

select * from final
