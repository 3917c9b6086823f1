{#
    Grain: one row per segment, customer and spell of membership. The days are those of the builds
    that saw it: entered_on is the first recorded day as a member, left_on the first one as none.
    It says the same before and after the build has recorded its day.
    Spells are recorded under the id of their day. Those of an id that was merged away are told of
    the customer that it means now, joined where they overlap or follow on each other; should the
    merge be undone, each has its own again. Only they are sorted: the spells are many, and would
    be written out if they were not read twice from where they stand.
#}
{{ config(materialized='view') }}

with changes as (

    select * from {{ ref('membership_changes') }}

),

recorded as not materialized (

    select
        segment_id,
        customer_id,
        entered_on,
        case when left_on < {{ as_of() }} then left_on end as left_on
    from {{ source('registry', 'membership_spells') }}
    where entered_on < {{ as_of() }}

),

spells as not materialized (

    select
        segment_id,
        customer_id,
        entered_on,
        left_on
    from changes
    union all
    select
        recorded.segment_id,
        recorded.customer_id,
        recorded.entered_on,
        recorded.left_on
    from recorded
    anti join changes
        on
            recorded.segment_id = changes.segment_id
            and recorded.customer_id = changes.customer_id
            and recorded.entered_on = changes.entered_on

),

merged as (

    select
        customer_id,
        current_customer_id
    from {{ ref('customer_id_history') }}
    where status = 'merged'

),

involved as (

    select
        customer_id,
        current_customer_id
    from merged
    union
    select
        current_customer_id as customer_id,
        current_customer_id
    from merged

),

apart as (

    select
        spells.segment_id,
        spells.customer_id,
        spells.entered_on,
        spells.left_on
    from spells
    anti join involved on spells.customer_id = involved.customer_id

),

together as (

    select
        spells.segment_id,
        involved.current_customer_id as customer_id,
        spells.entered_on,
        coalesce(spells.left_on, date '9999-12-31') as left_on
    from spells
    inner join involved on spells.customer_id = involved.customer_id

),

reached as (

    select
        *,
        max(left_on) over (
            partition by segment_id, customer_id
            order by entered_on, left_on
            rows between unbounded preceding and 1 preceding
        ) as left_before
    from together

),

numbered as (

    select
        *,
        count(*) filter (where left_before is null or left_before < entered_on) over (
            partition by segment_id, customer_id
            order by entered_on, left_on
            rows between unbounded preceding and current row
        ) as spell
    from reached

),

joined as (

    select
        segment_id,
        customer_id,
        min(entered_on) as entered_on,
        nullif(max(left_on), date '9999-12-31') as left_on
    from numbered
    group by segment_id, customer_id, spell

),

final as (

    select
        segment_id,
        customer_id,
        entered_on,
        left_on
    from apart
    union all
    select
        segment_id,
        customer_id,
        entered_on,
        left_on
    from joined

)

select * from final
