{#
    Grain: one row per source system, kind of data, brand, site and day (UTC) of the last 90 on
    which anything happened; of what has been silent for longer, its last day. It answers whether
    the tracking code is on every shop, which source has stopped, and of how much it is known whose
    it is: a session or cart is its account's, otherwise its cookie's.
#}
{%- set sources = [
    ('orders', 'sales_documents', 'document_key', 'happened_at'),
    ('receipts', 'sales_documents', 'document_key', 'happened_at'),
    ('returns', 'sales_documents', 'document_key', 'happened_at'),
    ('messages', 'messages', 'message_key', 'sent_at'),
    ('web_sessions', 'web_sessions', 'source_system', 'started_at'),
    ('carts', 'carts', 'cart_key', 'created_at'),
    ('invoices', 'invoices', 'invoice_key', 'issued_at'),
    ('cases', 'cases', 'case_key', 'opened_at'),
    ('notes', 'notes', 'note_key', 'noted_at'),
    ('registrations', 'registrations', 'registration_key', 'registered_at'),
    ('reviews', 'reviews', 'review_key', 'reviewed_at'),
    ('referrals', 'referrals', 'referral_key', 'referred_at'),
    ('answers', 'answers', 'answer_key', 'answered_at'),
    ('attributes', 'attributes', 'attribute_key', 'observed_at'),
] %}
{%- set first_at = as_of() ~ ' - interval 89 day' %}

with records as (

    select * from {{ ref('identity_records') }}

),

systems as (

    select * from {{ ref('systems') }}

),

cookies as (

    select * from {{ ref('identity_cookies') }}

),

happened as (

    -- Whose it is, is asked of the last 90 days only.
    {% for source_entity, entity, source_system, happened_at in sources -%}
    select
        split_part({{ source_system }}, ':', 1) as source_system,
        '{{ source_entity }}' as source_entity,
        brand_id,
        {{ 'site' if entity == 'web_sessions' else 'cast(null as varchar) as site' }},
        {{ happened_at }} as happened_at,
        case when {{ happened_at }} >= {{ first_at }} then record_key end as record_key,
        {% if entity in ('web_sessions', 'carts') -%}
        case when {{ happened_at }} >= {{ first_at }} then visitor_id end as visitor_id
        {%- else -%}
        cast(null as varchar) as visitor_id
        {%- endif %}
    from {{ ref('entity_' ~ entity) }}
    where
        {{ happened_at }} is not null
        {%- if entity == 'sales_documents' %}
        and source_entity = '{{ source_entity }}'
        {%- endif %}
    {% if not loop.last -%} union all {% endif -%}
    {% endfor %}
),

by_day as (

    select
        happened.source_system,
        happened.source_entity,
        happened.brand_id,
        happened.site,
        cast(happened.happened_at as date) as happened_on,
        count(*) as row_count,
        count(coalesce(records.customer_id, cookies.customer_id)) as identified_count,
        max(happened.happened_at) as last_event_at
    from happened
    left join records on happened.record_key = records.record_key
    left join systems on happened.source_system = systems.source_system
    left join cookies
        on
            coalesce(systems.account_system, happened.source_system)
            || ':' || happened.visitor_id = cookies.cookie
    group by
        happened.source_system, happened.source_entity, happened.brand_id, happened.site,
        cast(happened.happened_at as date)

),

with_last_day as (

    select
        *,
        max(happened_on) over (
            partition by source_system, source_entity, brand_id, site
        ) as last_on
    from by_day

),

final as (

    select
        source_system,
        source_entity,
        brand_id,
        coalesce(site, '') as site,
        happened_on,
        row_count,
        case
            when happened_on >= {{ first_at }}
                then round(identified_count / row_count, 4)
        end as identified_share,
        last_event_at,
        date_diff('day', last_on, {{ as_of() }}) as silent_days
    from with_last_day
    where happened_on >= {{ first_at }} or happened_on = last_on

)

select * from final
