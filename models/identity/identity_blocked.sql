{#
    Grain: one row per identifier that is nobody's, since the seed blocked_identifiers matches it: a
    role address, a placeholder, a phone or device of the company itself.
    An increment asks the seed about the values that are new.
#}
{{ config(unique_key=['id_type', 'id_value']) }}

with arrived as (

    select
        id_type,
        id_value
    from {{ ref('entity_identifier_sightings') }}
    where {{ newly_loaded() }}
    group by id_type, id_value

),

blocked_values as (

    select * from {{ ref('blocked_identifiers') }}

),

parts as (

    select
        id_type,
        id_value,
        'value' as part,
        id_value as value
    from arrived
    union all
    select
        id_type,
        id_value,
        'local_part' as part,
        split_part(id_value, '@', 1) as value
    from arrived
    where id_type = 'email'
    union all
    select
        id_type,
        id_value,
        'domain' as part,
        split_part(id_value, '@', 2) as value
    from arrived
    where id_type = 'email'

),

matches as (

    select
        parts.id_type,
        parts.id_value,
        blocked_values.reason
    from parts
    inner join blocked_values
        on
            parts.id_type = blocked_values.id_type
            and parts.part = blocked_values.part
            and parts.value = blocked_values.value
    union all
    select
        arrived.id_type,
        arrived.id_value,
        blocked_values.reason
    from arrived
    inner join blocked_values
        on
            arrived.id_type = blocked_values.id_type
            and blocked_values.part = 'pattern'
            and regexp_matches(arrived.id_value, blocked_values.value)

),

final as (

    select
        id_type,
        id_value,
        min(reason) as reason,
        {{ this_load() }} as load_id
    from matches
    group by id_type, id_value

)

select * from final
