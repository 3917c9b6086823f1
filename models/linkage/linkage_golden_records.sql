{#
    Grain: one row per customer of whom a name is known: per field the value of the latest record
    that has one. Empty while linkage is off.
#}
with profiles as (

    select * from {{ ref('linkage_profiles') }}

),

final as (

    select
        customer_id,
        {{ latest_known('given_name', 'recency') }} as given_name,
        {{ latest_known('family_name', 'recency') }} as family_name,
        {{ latest_known('birth_date', 'recency') }} as birth_date,
        {{ latest_known('email_name', 'recency') }} as email_name,
        {{ latest_known('email_domain', 'recency') }} as email_domain,
        {{ latest_known('phone', 'recency') }} as phone,
        {{ latest_known('street', 'recency') }} as street,
        {{ latest_known('postal_code', 'recency') }} as postal_code,
        {{ latest_known('city', 'recency') }} as city,
        {{ latest_known('country', 'recency') }} as country
    from profiles
    group by customer_id
    having count(given_name) > 0 or count(family_name) > 0

)

select * from final
