{# Grain: one row of the log of identities, the changes of the running build included. #}
{{ config(materialized='view') }}

with log as (

    select * from {{ source('registry', 'identity_log') }}

),

changes as (

    select * from {{ ref('identity_changes') }}

),

logged as (

    select coalesce(max(build_number), 0) as build_number from log

),

final as (

    select
        build_number,
        as_of,
        load_id,
        node,
        other_node,
        status,
        from_customer_id,
        to_customer_id,
        is_founder,
        reason
    from log
    union all
    select
        changes.build_number,
        changes.as_of,
        changes.load_id,
        changes.node,
        changes.other_node,
        changes.status,
        changes.from_customer_id,
        changes.to_customer_id,
        changes.is_founder,
        changes.reason
    from changes
    inner join logged on changes.build_number > logged.build_number

)

select * from final
