{#
    Grain: one row per customer with personal data: what destinations of audiences know a person by.
    Not published to readers. Hashes have no key, since destinations make them of their own members:
    whoever knows an address can make its hash, so they are personal data like the address.
    Built-in functions alone are used, so that exports read it on a connection of their own.
#}
{{ config(schema='pii', access='protected', group='inner', materialized='view') }}
{%- set meta = {
    'email': 'email',
    'phone': 'phone',
    'first_name': 'first_name',
    'last_name': 'last_name',
    'city': 'city',
    'postal_code': 'postal_code',
    'country': 'country',
    'gender': 'gender',
    'birth_year': 'cast(birth_date as varchar)',
    'birth_month': 'cast(birth_date as varchar)',
    'birth_day': 'cast(birth_date as varchar)'
} -%}
{%- set google_hashed = {
    'email': 'email', 'phone': 'phone', 'given_name': 'first_name', 'family_name': 'last_name'
} -%}
{%- set google_plain = {'postal_code': 'postal_code', 'region_code': 'country'} -%}
{%- set tiktok = ['email', 'phone'] %}

with customers as (

    select * from {{ ref('pii_customers') }}

),

-- What is compared, before it is hashed.
keys as (

    select
        customer_id,
        email,
        phone,
        first_name,
        last_name,
        gender,
        birth_date,
        street,
        postal_code,
        city,
        country,
        {% for field, value in meta.items() -%}
        {{ meta_key(field, value) }} as meta_{{ field }},
        {% endfor -%}
        {% for field, value in (google_hashed.items() | list) + (google_plain.items() | list) -%}
        {{ google_key(field, value) }} as google_{{ field }},
        {% endfor -%}
        {% for field in tiktok -%}
        {{ tiktok_key(field, field) }} as tiktok_{{ field }}{{ "," if not loop.last }}
        {% endfor %}
    from customers

),

final as (

    select
        customer_id,
        email,
        phone,
        first_name,
        last_name,
        gender,
        birth_date,
        street,
        postal_code,
        city,
        country,
        {% for field in meta -%}
        {{ sha256_hex('meta_' ~ field) }} as meta_{{ field }},
        {% endfor -%}
        {% for field in google_hashed -%}
        {{ sha256_hex('google_' ~ field) }} as google_{{ field }},
        {% endfor -%}
        google_postal_code,
        google_region_code,
        {% for field in tiktok -%}
        {{ sha256_hex('tiktok_' ~ field) }} as tiktok_{{ field }}{{ "," if not loop.last }}
        {% endfor %}
    from keys

)

select * from final
