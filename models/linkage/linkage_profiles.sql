{#
    Grain: one row per source record that describes a person and belongs to a customer, with its
    values as people are compared by them. Empty while linkage is off.
    An e-mail or phone that joins nothing (a role address, a shop's phone) tells nothing either.
#}
with profiles as (

    select * from {{ ref('entity_profiles') }} where {{ var("linkage") }} and not is_test

),

records as (

    select * from {{ ref('identity_records') }}
    where {{ var("linkage") }} and customer_id is not null

),

conducting as (

    select
        id_type,
        id_value
    from {{ ref('identity_identifiers') }}
    where {{ var("linkage") }} and status = 'conducting'

),

normalised as (

    select
        profiles.record_key,
        records.customer_id,
        strftime(profiles.version_at, '%Y%m%d%H%M%S%f') || profiles.record_key as recency,
        split_part({{ plain_text('profiles.first_name') }}, ' ', 1) as given_name,
        {{ plain_text('profiles.last_name') }} as family_name,
        profiles.birth_date,
        {{ email_identifier('profiles.email') }} as email,
        profiles.phone,
        {{ plain_text('profiles.street') }} as street,
        {{ plain_text('profiles.postal_code') }} as postal_code,
        {{ plain_text('profiles.city') }} as city,
        profiles.country
    from profiles
    inner join records on profiles.record_key = records.record_key

),

final as (

    select
        normalised.record_key,
        normalised.customer_id,
        normalised.recency,
        normalised.given_name,
        normalised.family_name,
        normalised.birth_date,
        split_part(emails.id_value, '@', 1) as email_name,
        split_part(emails.id_value, '@', 2) as email_domain,
        phones.id_value as phone,
        normalised.street,
        replace(normalised.postal_code, ' ', '') as postal_code,
        normalised.city,
        normalised.country
    from normalised
    left join conducting as emails
        on emails.id_type = 'email' and normalised.email = emails.id_value
    left join conducting as phones
        on phones.id_type = 'phone' and normalised.phone = phones.id_value

)

select * from final
