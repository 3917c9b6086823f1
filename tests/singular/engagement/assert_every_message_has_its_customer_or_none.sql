{#
    What somebody did is joined with one customer or with none: nothing is doubled, nothing is
    lost, and the customer exists. A failing row is a mart whose number of rows is not that of the
    entities behind it, or marts.customers with the number of customers that it lacks.
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

found as (

    {% for mart in ['messages', 'web_sessions', 'orders', 'returns', 'customer_records'] -%}
    select
        '{{ mart }}' as mart,
        count(*) as row_count
    from {{ ref(mart) }}
    {% if not loop.last -%} union all {% endif -%}
    {% endfor %}
),

named_customers as (

    -- Every customer of a mart comes from a record or from an identifier.
    select customer_id from {{ ref('identity_records') }} where customer_id is not null
    union
    select customer_id from {{ ref('identity_clusters') }} where customer_id is not null

),

unknown_customers as (

    select named_customers.customer_id
    from named_customers
    anti join {{ ref('customers') }} as customers
        on named_customers.customer_id = customers.customer_id

)

select
    expected.mart,
    expected.row_count as expected_row_count,
    found.row_count
from expected
inner join found on expected.mart = found.mart
where expected.row_count <> found.row_count
union all
select
    'customers' as mart,
    0 as expected_row_count,
    count(*) as row_count
from unknown_customers
having count(*) > 0
