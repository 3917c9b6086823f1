{#
    Grain: one row per web session. The customer is that of the account logged in, otherwise that
    of the visitor's cookie where it belongs to one customer alone. A cookie carries the system of
    the accounts that its visitors log in to (seeds/systems).
#}
{{ config(materialized='view') }}

with sessions as (

    select * from {{ ref('entity_web_sessions') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

systems as (

    select * from {{ ref('systems') }}

),

cookies as (

    select * from {{ ref('identity_cookies') }}

),

final as (

    select
        sessions.session_id,
        coalesce(records.customer_id, cookies.customer_id) as customer_id,
        sessions.brand_id,
        sessions.visitor_id,
        sessions.started_at,
        sessions.ended_at,
        sessions.account_id is not null as is_logged_in,
        sessions.site,
        sessions.entry_url,
        sessions.referrer,
        sessions.utm_source,
        sessions.utm_medium,
        sessions.utm_campaign,
        sessions.device_type,
        sessions.country,
        sessions.event_count,
        sessions.page_view_count,
        sessions.product_view_count,
        sessions.search_count,
        sessions.empty_search_count,
        sessions.cart_add_count,
        sessions.checkout_step_count,
        sessions.blog_read_count,
        sessions.download_count,
        sessions.form_count,
        sessions.wishlist_add_count,
        sessions.purchase_count,
        sessions.last_cart_add_at,
        sessions.checkout_position,
        coalesce(
            sessions.first_search_at < sessions.first_view_at,
            sessions.first_search_at is not null
        ) as is_search_first,
        greatest(sessions.load_id, records.load_id, cookies.load_id) as load_id
    from sessions
    left join records on sessions.record_key = records.record_key
    left join systems on sessions.source_system = systems.source_system
    left join cookies
        on
            coalesce(systems.account_system, sessions.source_system)
            || ':' || sessions.visitor_id = cookies.cookie

)

select * from final
