{#
    Grain: one row per attribute of an outside system and time that it was observed.
#}
{{ config(unique_key='attribute_key') }}

with attributes as (

    select * from {{ ref('stg_declared__attributes') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        attributes.source_system || ':' || attributes.attribute_id as attribute_key,
        attributes.source_system,
        attributes.brand_id,
        {{ person_record(
            'attributes',
            record_key('attributes.source_system', 'attributes', 'attributes.attribute_id')
        ) }} as record_key,
        attributes.observed_at,
        attributes.attribute,
        attributes.value,
        attributes.valid_until,
        attributes.load_id
    from attributes
    left join systems on attributes.source_system = systems.source_system

)

select * from final
