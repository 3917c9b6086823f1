{#
    Grain: one row per search on a site. record_key names the account that was logged in,
    otherwise the visitor's cookie, whose owner identity knows. The term is plain text: two
    spellings that differ in case, accents or spaces are one.
#}
{{ config(unique_key='search_key') }}

with web_events as (

    select * from {{ ref('stg_web__web_events') }}
    where {{ newly_loaded() }} and event_type = 'search'

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        web_events.source_system || ':' || web_events.event_id as search_key,
        web_events.brand_id,
        case
            when web_events.account_id is not null
                then
                    coalesce(systems.account_system, web_events.source_system)
                    || ':accounts:' || web_events.account_id
            else
                coalesce(systems.account_system, web_events.source_system)
                || ':visitors:' || web_events.visitor_id
        end as record_key,
        case
            when web_events.account_id is null
                then
                    coalesce(systems.account_system, web_events.source_system)
                    || ':' || web_events.visitor_id
        end as cookie,
        web_events.occurred_at as searched_at,
        {{ plain_text('web_events.search_term') }} as search_term,
        web_events.result_count,
        web_events.load_id
    from web_events
    left join systems on web_events.source_system = systems.source_system

)

select * from final
