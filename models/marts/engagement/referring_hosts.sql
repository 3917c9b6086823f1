{#
    Grain: one row per host that referred a visit and that seeds/referrers knows, itself or as a
    part of a host of its own: the longest entry counts. Few hosts, many visits: each is classed
    once.
#}
with sessions as (

    select * from {{ ref('entity_web_sessions') }} where referrer is not null

),

referrers as (

    select * from {{ ref('referrers') }}

),

visited as (

    select referrer
    from sessions
    group by referrer

),

final as (

    select
        visited.referrer,
        referrers.referrer_class
    from visited
    inner join referrers
        on
            visited.referrer = referrers.host
            or ends_with(visited.referrer, '.' || referrers.host)
    qualify row_number() over (
        partition by visited.referrer order by length(referrers.host) desc, referrers.host asc
    ) = 1

)

select * from final
