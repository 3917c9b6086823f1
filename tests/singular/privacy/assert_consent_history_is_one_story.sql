{#
    Spans of one consent follow one another without a gap, each the opposite of the one before.
    A failing row is a span that does not.
#}
with spans as (

    select
        *,
        lead(valid_from) over consent as next_from,
        lead(is_granted) over consent as next_is_granted
    from {{ ref('consent_history') }}
    window consent as (partition by customer_id, brand_id, purpose, channel order by valid_from)

)

select
    customer_id,
    brand_id,
    purpose,
    channel,
    valid_from
from spans
where
    valid_until is distinct from next_from
    or is_granted = next_is_granted
    or confirmed_at < valid_from
    or confirmed_at >= valid_until
