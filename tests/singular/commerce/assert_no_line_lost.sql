{#
    Every line of staging whose document is known is in marts.order_lines once, with its amount.
    A failing row is a system and kind of document whose lines were lost, doubled or changed on
    the way. The amounts are in the currencies of the documents and compared exactly; their sum
    over several currencies is no revenue, only a checksum.
#}
{{ config(group='inner', meta={'dagster': {'ref': {'name': 'order_lines'}}}) }}

with staged_lines as (

    select
        source_system,
        'orders' as source_entity,
        order_id as source_record_id,
        net_amount
    from {{ ref('stg_shop__order_lines') }}
    union all
    select
        source_system,
        'receipts' as source_entity,
        receipt_id as source_record_id,
        net_amount
    from {{ ref('stg_store__receipt_lines') }}
    union all
    select
        source_system,
        'returns' as source_entity,
        return_id as source_record_id,
        net_amount
    from {{ ref('stg_shop__returns') }}

),

staged_documents as (

    select
        source_system,
        'orders' as source_entity,
        order_id as source_record_id
    from {{ ref('stg_shop__orders') }}
    union all
    select
        source_system,
        'receipts' as source_entity,
        receipt_id as source_record_id
    from {{ ref('stg_store__receipts') }}
    union all
    select
        source_system,
        'returns' as source_entity,
        return_id as source_record_id
    from {{ ref('stg_shop__returns') }}

),

staged as (

    select
        staged_lines.source_system,
        staged_lines.source_entity,
        count(*) as line_count,
        sum(staged_lines.net_amount) as amount
    from staged_lines
    semi join staged_documents
        on
            staged_lines.source_system = staged_documents.source_system
            and staged_lines.source_entity = staged_documents.source_entity
            and staged_lines.source_record_id = staged_documents.source_record_id
    group by staged_lines.source_system, staged_lines.source_entity

),

booked as (

    select
        split_part(order_line_id, ':', 1) as source_system,
        split_part(order_line_id, ':', 2) as source_entity,
        count(*) as line_count,
        sum(original_net_amount) as amount
    from {{ ref('order_lines') }}
    group by split_part(order_line_id, ':', 1), split_part(order_line_id, ':', 2)

)

select
    coalesce(staged.source_system, booked.source_system) as source_system,
    coalesce(staged.source_entity, booked.source_entity) as source_entity,
    staged.line_count as staged_line_count,
    booked.line_count as booked_line_count,
    staged.amount as staged_amount,
    booked.amount as booked_amount
from staged
full outer join booked
    on staged.source_system = booked.source_system and staged.source_entity = booked.source_entity
where
    staged.line_count is distinct from booked.line_count
    or staged.amount is distinct from booked.amount
