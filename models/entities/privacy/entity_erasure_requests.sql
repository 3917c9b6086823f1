{# Grain: one row per request to be forgotten and identifier that it names. #}
{{ config(unique_key=['request_key', 'id_type']) }}

with erasure_requests as (

    select * from {{ ref('stg_privacy__erasure_requests') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

requests as (

    select
        erasure_requests.source_system || ':' || erasure_requests.request_id as request_key,
        erasure_requests.requested_at,
        coalesce(systems.account_system, erasure_requests.source_system)
        || ':' || erasure_requests.account_id as account,
        coalesce(systems.card_system, erasure_requests.source_system)
        || ':' || erasure_requests.card_id as card,
        {{ email_identifier('erasure_requests.email') }} as email,
        erasure_requests.phone,
        erasure_requests.load_id
    from erasure_requests
    left join systems on erasure_requests.source_system = systems.source_system

),

identifiers as (

    {% for id_type in ['account', 'card', 'email', 'phone'] -%}
    select
        request_key,
        requested_at,
        '{{ id_type }}' as id_type,
        {{ id_type }} as id_value,
        load_id
    from requests
    where {{ id_type }} is not null
    {% if not loop.last -%} union all {% endif -%}
    {% endfor %}

)

select * from identifiers
