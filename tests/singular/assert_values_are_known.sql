{#
    Words that models compare with are the words that tables hold. A failing row is a column with
    a value that no model knows, so that its rows would silently count nowhere.
#}
{{ config(meta={'dagster': {'ref': {'name': 'customers'}}}) }}

with found as (

    select
        'entities.sales_lines.line_kind' as column_name,
        line_kind as value,
        count(*) as row_count
    from {{ ref('entity_sales_lines') }}
    group by line_kind
    union all
    select
        'entities.sales_documents.status' as column_name,
        status as value,
        count(*) as row_count
    from {{ ref('entity_sales_documents') }}
    group by status
    union all
    select
        'entities.cases.status' as column_name,
        status as value,
        count(*) as row_count
    from {{ ref('entity_cases') }}
    group by status
    union all
    select
        'entities.notes.effect' as column_name,
        effect as value,
        count(*) as row_count
    from {{ ref('entity_notes') }}
    group by effect
    union all
    select
        'entities.identifier_sightings.id_type' as column_name,
        id_type as value,
        count(*) as row_count
    from {{ ref('entity_identifier_sightings') }}
    group by id_type
    union all
    select
        'marts.consents.channel' as column_name,
        channel as value,
        count(*) as row_count
    from {{ ref('consents') }}
    group by channel
    union all
    select
        'marts.customers.lifecycle_stage' as column_name,
        lifecycle_stage as value,
        count(*) as row_count
    from {{ ref('customers') }}
    group by lifecycle_stage

),

known as (

    select
        'entities.sales_lines.line_kind' as column_name,
        unnest(['merchandise', 'return', 'postage', 'charge', 'adjustment']) as value
    union all
    select
        'entities.sales_documents.status' as column_name,
        unnest(['placed', 'paid', 'shipped', 'completed', 'cancelled']) as value
    union all
    select
        'entities.cases.status' as column_name,
        unnest(['open', 'waiting', 'closed']) as value
    union all
    select
        'entities.notes.effect' as column_name,
        unnest([
            'reached', 'not_reached', 'interested', 'not_interested', 'sold', 'do_not_contact',
            'none'
        ]) as value
    union all
    select
        'entities.identifier_sightings.id_type' as column_name,
        id_type as value
    from {{ ref('identity_rules') }}
    union all
    select
        'marts.consents.channel' as column_name,
        unnest([
            'email', 'web_push', 'app_push', 'sms', 'voice', 'phone', 'social', 'direct_mail'
        ]) as value
    union all
    select
        'marts.customers.lifecycle_stage' as column_name,
        stage as value
    from {{ ref('lifecycle_stages') }}

)

select found.*
from found
anti join known on found.column_name = known.column_name and found.value = known.value
