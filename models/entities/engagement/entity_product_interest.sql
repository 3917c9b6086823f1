{#
    Grain: one row per visitor, product and day on which the visitor looked at it, put it into a
    cart or took it out, or onto a wish list. record_key names the account that was logged in,
    otherwise the visitor's cookie, whose owner identity knows. An increment adds the events that
    arrived to what stands.
#}
{{ config(unique_key=['record_key', 'product_key', 'seen_on']) }}

with web_events as (

    select * from {{ ref('stg_web__web_events') }}
    where {{ newly_loaded() }} and product_id is not null

),

systems as (

    select * from {{ ref('systems') }}

),

named as (

    select
        web_events.*,
        coalesce(systems.account_system, web_events.source_system) as account_system,
        coalesce(systems.product_system, web_events.source_system)
        || ':' || web_events.product_id as product_key
    from web_events
    left join systems on web_events.source_system = systems.source_system

),

arrived as (

    select
        case
            when account_id is not null then account_system || ':accounts:' || account_id
            else account_system || ':visitors:' || visitor_id
        end as record_key,
        product_key,
        cast(occurred_at as date) as seen_on,
        min(case when account_id is null then account_system || ':' || visitor_id end) as cookie,
        count(case when event_type = 'product_view' then 1 end) as view_count,
        count(case when event_type = 'cart_add' then 1 end) as cart_add_count,
        count(case when event_type = 'cart_remove' then 1 end) as cart_remove_count,
        count(case when event_type = 'wishlist_add' then 1 end) as wishlist_add_count,
        max(occurred_at) as last_seen_at,
        max(load_id) as load_id
    from named
    where event_type in ('product_view', 'cart_add', 'cart_remove', 'wishlist_add')
    group by all

)

{%- if is_incremental() %},

folding as (

    select * from arrived
    union all
    select standing.*
    from {{ this }} as standing
    semi join arrived
        on
            standing.record_key = arrived.record_key
            and standing.product_key = arrived.product_key
            and standing.seen_on = arrived.seen_on

),

folded as (

    select
        record_key,
        product_key,
        seen_on,
        min(cookie) as cookie,
        cast(sum(view_count) as bigint) as view_count,
        cast(sum(cart_add_count) as bigint) as cart_add_count,
        cast(sum(cart_remove_count) as bigint) as cart_remove_count,
        cast(sum(wishlist_add_count) as bigint) as wishlist_add_count,
        max(last_seen_at) as last_seen_at,
        max(load_id) as load_id
    from folding
    group by record_key, product_key, seen_on

)

select * from folded
{%- else %}

select * from arrived
{%- endif %}
