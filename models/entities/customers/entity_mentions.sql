{#
    Grain: one row per cart and row of service and declared data that names a person, old versions
    included, with the record of that person: the account, else the card, else the contact, else the row
    itself when it holds an e-mail or phone. What names nobody is left out.
    A view: only the sightings of identifiers read it, and only what is new of it. As staging it
    can be read only where the functions for phones and addresses are.
#}
{{ config(materialized='view') }}

{%- set named_in = [
    ('shop', 'carts', 'cart_id', 'version_at'),
    ('service', 'cases', 'case_id', 'version_at'),
    ('service', 'notes', 'note_id', 'noted_at'),
    ('service', 'registrations', 'registration_id', 'version_at'),
    ('service', 'reviews', 'review_id', 'reviewed_at'),
    ('service', 'referrals', 'referral_id', 'referred_at'),
    ('declared', 'answers', 'answer_id', 'answered_at'),
    ('declared', 'attributes', 'attribute_id', 'observed_at'),
] %}

with systems as (

    select * from {{ ref('systems') }}

),

named as (

    {% for kind, entity, id, seen_at in named_in -%}
    select
        source_system,
        '{{ entity }}' as mentioned_in,
        {{ id }} as row_id,
        account_id,
        card_id,
        contact_id,
        email,
        phone,
        {{ seen_at }} as seen_at,
        delivered_on,
        load_id
    from {{ ref('stg_' ~ kind ~ '__' ~ entity) }}
    {% if not loop.last -%} union all {% endif -%}
    {% endfor %}

),

mentions as (

    select
        named.mentioned_in,
        named.source_system || ':' || named.row_id as mention_id,
        {{ person_record(
            'named', "named.source_system || ':' || named.mentioned_in || ':' || named.row_id"
        ) }} as record_key,
        coalesce(systems.account_system, named.source_system) || ':' || named.account_id as account,
        coalesce(systems.card_system, named.source_system) || ':' || named.card_id as card,
        named.source_system || ':' || named.contact_id as contact,
        named.email,
        named.phone,
        named.seen_at,
        named.delivered_on,
        named.load_id
    from named
    left join systems on named.source_system = systems.source_system

),

final as (

    select
        mentioned_in,
        mention_id,
        split_part(record_key, ':', 1) as source_system,
        split_part(record_key, ':', 2) as source_entity,
        regexp_replace(record_key, '^[^:]*:[^:]*:', '') as source_record_id,
        account,
        card,
        contact,
        email,
        phone,
        seen_at,
        delivered_on,
        load_id
    from mentions
    where record_key is not null

)

select * from final
