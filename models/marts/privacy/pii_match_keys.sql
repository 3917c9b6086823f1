{#
    Grain: one row per customer with personal data: what destinations of audiences know a person by.
    Not published to readers. The hashes have no secret, since platforms make the same of their own
    members: whoever knows an address can make its hash, so they are as personal as the address.
    Built-in functions alone are called, so that exports read it on a connection of their own.
#}
{{ config(schema='pii', access='protected', group='inner', materialized='view') }}

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
        {{ meta_key('email', 'email') }} as meta_email,
        {{ meta_key('phone', 'phone') }} as meta_phone,
        {{ meta_key('first_name', 'first_name') }} as meta_first_name,
        {{ meta_key('last_name', 'last_name') }} as meta_last_name,
        {{ meta_key('city', 'city') }} as meta_city,
        {{ meta_key('postal_code', 'postal_code') }} as meta_postal_code,
        {{ meta_key('country', 'country') }} as meta_country,
        {{ meta_key('gender', 'gender') }} as meta_gender,
        {{ meta_key('birth_year', 'cast(birth_date as varchar)') }} as meta_birth_year,
        {{ meta_key('birth_month', 'cast(birth_date as varchar)') }} as meta_birth_month,
        {{ meta_key('birth_day', 'cast(birth_date as varchar)') }} as meta_birth_day,
        {{ google_key('email', 'email') }} as google_email,
        {{ google_key('phone', 'phone') }} as google_phone,
        {{ google_key('given_name', 'first_name') }} as google_given_name,
        {{ google_key('family_name', 'last_name') }} as google_family_name,
        {{ google_key('postal_code', 'postal_code') }} as google_postal_code,
        {{ google_key('region_code', 'country') }} as google_region_code,
        {{ tiktok_key('email', 'email') }} as tiktok_email,
        {{ tiktok_key('phone', 'phone') }} as tiktok_phone
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
        {{ sha256_hex('meta_email') }} as meta_email,
        {{ sha256_hex('meta_phone') }} as meta_phone,
        {{ sha256_hex('meta_first_name') }} as meta_first_name,
        {{ sha256_hex('meta_last_name') }} as meta_last_name,
        {{ sha256_hex('meta_city') }} as meta_city,
        {{ sha256_hex('meta_postal_code') }} as meta_postal_code,
        {{ sha256_hex('meta_country') }} as meta_country,
        {{ sha256_hex('meta_gender') }} as meta_gender,
        {{ sha256_hex('meta_birth_year') }} as meta_birth_year,
        {{ sha256_hex('meta_birth_month') }} as meta_birth_month,
        {{ sha256_hex('meta_birth_day') }} as meta_birth_day,
        {{ sha256_hex('google_email') }} as google_email,
        {{ sha256_hex('google_phone') }} as google_phone,
        {{ sha256_hex('google_given_name') }} as google_given_name,
        {{ sha256_hex('google_family_name') }} as google_family_name,
        google_postal_code,
        google_region_code,
        {{ sha256_hex('tiktok_email') }} as tiktok_email,
        {{ sha256_hex('tiktok_phone') }} as tiktok_phone
    from keys

)

select * from final
