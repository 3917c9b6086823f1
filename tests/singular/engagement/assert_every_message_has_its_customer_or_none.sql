{#
    What somebody did is joined with one customer or with none: nothing is doubled, nothing is
    lost, and the customer exists. A failing row is a mart whose number of rows is not that of the
    entities behind it, or which names customers that marts.customers does not have.
#}
{{ config(meta={'dagster': {'ref': {'name': 'messages'}}}) }}

with documents as (

    select * from {{ ref('entity_sales_documents') }}

),

known_visitors as (

    select
        sessions.source_system,
        sessions.visitor_id
    from {{ ref('entity_web_sessions') }} as sessions
    left join {{ ref('systems') }} as systems on sessions.source_system = systems.source_system
    inner join {{ ref('identity_identifiers') }} as cookies
        on
            cookies.id_type = 'cookie'
            and coalesce(systems.account_system, sessions.source_system)
            || ':' || sessions.visitor_id = cookies.id_value
    group by sessions.source_system, sessions.visitor_id

),

expected as (

    select
        'messages' as mart,
        count(*) as row_count
    from {{ ref('entity_messages') }}
    where sent_at is not null
    union all
    select
        'web_sessions' as mart,
        count(*) as row_count
    from {{ ref('entity_web_sessions') }}
    union all
    select
        'orders' as mart,
        count(*) as row_count
    from documents
    where source_entity <> 'returns'
    union all
    select
        'returns' as mart,
        count(*) as row_count
    from documents
    where source_entity = 'returns'
    union all
    select
        'customer_records' as mart,
        (select count(*) from documents where record_key is not null)
        + (select count(*) from {{ ref('identity_records') }} where source_entity <> 'orders')
        + (select count(*) from known_visitors)
            as row_count

),

rows_of_marts as (

    {% for mart in ['messages', 'web_sessions', 'orders', 'returns', 'customer_records'] -%}
    select
        '{{ mart }}' as mart,
        customer_id
    from {{ ref(mart) }}
    {% if not loop.last -%} union all {% endif -%}
    {% endfor %}
),

found as (

    select
        rows_of_marts.mart,
        count(*) as row_count,
        count(
            case
                when rows_of_marts.customer_id is not null and customers.customer_id is null
                    then 1
            end
        ) as unknown_customer_count
    from rows_of_marts
    left join {{ ref('customers') }} as customers
        on rows_of_marts.customer_id = customers.customer_id
    group by rows_of_marts.mart

)

select
    expected.mart,
    expected.row_count as expected_row_count,
    coalesce(found.row_count, 0) as row_count,
    coalesce(found.unknown_customer_count, 0) as unknown_customer_count
from expected
left join found on expected.mart = found.mart
where
    expected.row_count <> coalesce(found.row_count, 0)
    or found.unknown_customer_count > 0
