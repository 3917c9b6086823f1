{#
    Grain: one row per member. Moved away: lived in reach of a store until the move, and now
    lives in reach of none (marts.customer_places). Asked within a year of the move.
#}
{{ config(meta={
    'title': 'Moved away',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'direct_mail'],
    'suggested_action': 'Invite to the online shop; no messages of the old store'
}) }}

with customers as (

    {{ segment_base() }}

),

places as (

    select * from {{ ref('customer_places') }}

),

evidence as (

    select
        customers.customer_id,
        coalesce(places.has_moved_away, false) as has_moved_away,
        places.moved_on,
        {{ days_since('places.moved_on') }} as days_since_move,
        places.usual_store_id,
        places.nearest_store_id,
        places.nearest_store_km
    from customers
    left join places on customers.customer_id = places.customer_id

),

final as (

    select
        customer_id,
        cast(moved_on as timestamp) as entered_at,
        has_moved_away,
        moved_on,
        days_since_move,
        usual_store_id,
        nearest_store_id,
        nearest_store_km
    from evidence
    where
        has_moved_away
        and days_since_move <= {{ segment_limit('moved_away', 'max_days') }}

)

select * from final
