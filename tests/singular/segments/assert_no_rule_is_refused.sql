{#
    A rule that cannot be used disturbs nothing else, but somebody has to hear of it. A failing row
    is a refused rule with its reason.
#}
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'rules'}}}) }}

select
    line_number,
    segment_id,
    reason
from {{ ref('rules') }}
where status = 'refused'
