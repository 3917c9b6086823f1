{#
    Grain: one row per row of seeds/segments/segment_rules.csv. What came of each rule on the as-of
    day: in force with its SQL, not yet or no longer valid, or refused with the reason. All rules
    are compiled in one call (orchestration/segments), since they may ask for each other.
#}
{{ config(materialized='table') }}

with segment_rules as (

    -- The row's place in the file, the line of the names being the first. A seed that is loaded
    -- again goes on counting its rows.
    select
        *,
        1 + row_number() over (order by rowid) as line_number
    from {{ ref('segment_rules') }}

),

stages as (

    select
        coalesce(list(stage order by stage), []) as stage_names,
        coalesce(list('lifecycle_' || stage order by stage), []) as segment_ids
    from {{ ref('lifecycle_stages') }}

),

rfm_segments as (

    select
        coalesce(list(distinct rfm_segment order by rfm_segment), []) as rfm_names,
        coalesce(list(distinct 'rfm_' || rfm_segment order by 'rfm_' || rfm_segment), [])
            as segment_ids
    from {{ ref('rfm_segments') }}

),

-- What a rule may name: columns, their values where the list of them is closed, other segments.
known as (

    select
        json_object(
            'as_of', cast({{ as_of() }} as varchar),
            'columns', cast('{{ column_types(ref('customer_360')) }}' as json),
            'values',
            { 'lifecycle_stage': stages.stage_names, 'rfm_segment': rfm_segments.rfm_names },
            'segments',
            stages.segment_ids
            || rfm_segments.segment_ids
            || [{{ "'" ~ segment_models() | join("', '") ~ "'" }}]
        ) as inputs
    from stages
    cross join rfm_segments

),

asked as (

    select
        list({
            'row_number': line_number,
            'segment_id': segment_id,
            'title': title,
            'rule': rule,
            'valid_from': valid_from,
            'valid_until': valid_until
        } order by line_number) as rules
    from segment_rules

),

answered as (

    select
        compile_segment_rules(
            cast(to_json(coalesce(asked.rules, [])) as varchar), cast(known.inputs as varchar)
        ) as answer
    from asked
    cross join known

),

compiled as (

    select unnest(from_json(answer, '[{
            "row_number": "bigint",
            "status": "varchar",
            "reason": "varchar",
            "columns": ["varchar"],
            "measures": [{
                "name": "varchar",
                "source": "varchar",
                "step": "varchar",
                "aggregate": "varchar",
                "type": "varchar",
                "label": "varchar",
                "default": "varchar"
            }],
            "segments": ["varchar"],
            "lookalikes": ["varchar"],
            "expression": "varchar",
            "conditions": [{
                "condition": "varchar",
                "value": "varchar",
                "threshold": "varchar",
                "passed": "varchar"
            }]
        }]')) as compiled_rule
    from answered

),

final as (

    select
        segment_rules.line_number,
        segment_rules.segment_id,
        segment_rules.title,
        segment_rules.rule,
        segment_rules.valid_from,
        segment_rules.valid_until,
        segment_rules.owner,
        segment_rules.channels,
        segment_rules.suggested_action,
        compiled.compiled_rule.status,
        compiled.compiled_rule.reason,
        compiled.compiled_rule.columns as used_columns,
        compiled.compiled_rule.measures,
        compiled.compiled_rule.segments as asked_segments,
        compiled.compiled_rule.lookalikes as asked_lookalikes,
        compiled.compiled_rule.expression,
        compiled.compiled_rule.conditions
    from segment_rules
    inner join compiled on segment_rules.line_number = compiled.compiled_rule.row_number

)

select * from final
