{#
    Grain: one row per customer, field and source that says it: a record, the latest answer or the
    latest override. Not published. What is no evidence is left out: values that belong to nobody
    (identity.blocked) or say nothing (seeds/placeholder_values), those of test records, overrides
    (rows of the system `manual` in the attributes) that have expired, and a country alone where
    somebody gives a city.
    Values with one value_key are one value: equal as plain text. street, postal_code, city and
    country are one value, the field address, since they survive together: its key is the city and
    the postal code, or the street where there is no code, and a city alone confirms the latest
    address in it.
#}
{{ config(
    schema='pii',
    access='protected',
    group='inner',
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(
        by_record=[
            ref('entity_profiles'), ref('entity_answers'), ref('entity_attributes'),
            ref('entity_identifier_sightings')
        ],
        by_expiry='expires_on'
    ) }}"
) }}
{%- set fields = ['email', 'phone', 'first_name', 'last_name', 'gender', 'birth_date'] -%}
{%- set address = ['street', 'postal_code', 'city', 'country'] %}

with profiles as (

    select * from {{ ref('entity_profiles') }}

),

sightings as (

    select * from {{ ref('entity_identifier_sightings') }} where id_type in ('email', 'phone')

),

all_answers as (

    select * from {{ ref('entity_answers') }}

),

attributes as (

    select * from {{ ref('entity_attributes') }} where source_system = 'manual'

),

questions as (

    select * from {{ ref('questions') }} where profile_field is not null

),

all_records as (

    select * from {{ ref('identity_records') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

blocked as (

    select * from {{ ref('identity_blocked') }}

),

placeholders as (

    select * from {{ ref('placeholder_values') }}

),

brands as (

    select * from {{ ref('brands') }}

),

test_profiles as (

    select record_key from {{ ref('entity_profiles') }} where is_test

),

records as (

    select all_records.*
    from all_records
    anti join test_profiles on all_records.record_key = test_profiles.record_key

),

-- What the records of a customer say themselves.
held as (

    select
        records.customer_id,
        profiles.*
    from profiles
    inner join records on profiles.record_key = records.record_key

),

seen as (

    select
        records.customer_id,
        sightings.*
    from sightings
    inner join records on sightings.record_key = records.record_key
    anti join profiles on sightings.record_key = profiles.record_key

),

-- What somebody said about single fields: the customer in answers, staff in overrides.
answers as (

    select
        records.customer_id,
        questions.profile_field as field,
        all_answers.answer as value,
        'declared' as method,
        all_answers.source_system,
        'answers' as source_entity,
        all_answers.brand_id,
        all_answers.answered_at as observed_at,
        cast(null as date) as expires_on,
        all_answers.answer_key as source_key
    from all_answers
    inner join records on all_answers.record_key = records.record_key
    inner join questions on all_answers.question = questions.question

),

overrides as (

    select
        records.customer_id,
        attributes.attribute as field,
        attributes.value,
        'override' as method,
        attributes.source_system,
        'attributes' as source_entity,
        attributes.brand_id,
        attributes.observed_at,
        attributes.valid_until as expires_on,
        attributes.attribute_key as source_key
    from attributes
    inner join records on attributes.record_key = records.record_key
    where attributes.valid_until is null or attributes.valid_until >= {{ as_of() }}

),

latest_said as (

    select *
    from (
        select * from answers
        union all
        select * from overrides
    ) as everything_said
    qualify row_number() over (
        partition by customer_id, method, field order by observed_at desc, source_key desc
    ) = 1

),

said as (

    select
        latest_said.* replace (
            case latest_said.field
                when 'email' then {{ normalise_email('latest_said.value') }}
                when 'phone' then {{ normalise_phone('latest_said.value', 'brands.calling_code') }}
                when 'gender'
                    then case
                        when lower(trim(latest_said.value)) in ('female', 'male', 'other')
                            then lower(trim(latest_said.value))
                    end
                when 'birth_date' then cast(try_cast(latest_said.value as date) as varchar)
                when 'country' then upper(trim(latest_said.value))
                else trim(latest_said.value)
            end as value
        )
    from latest_said
    left join brands on latest_said.brand_id = brands.brand_id

),

single_evidence as (

    {% for field in fields -%}
    select
        customer_id,
        '{{ field }}' as field,
        cast({{ field }} as varchar) as value,
        'first_party' as method,
        source_system,
        source_entity,
        brand_id,
        version_at as observed_at,
        cast(null as date) as expires_on,
        record_key as source_key
    from held
    where {{ field }} is not null
    union all
    {% endfor -%}
    select
        customer_id,
        id_type as field,
        id_value as value,
        'first_party' as method,
        source_system,
        source_entity,
        null as brand_id,
        last_seen_at as observed_at,
        null as expires_on,
        record_key as source_key
    from seen
    union all
    select * from said
    where
        value is not null
        and field in ('email', 'phone', 'first_name', 'last_name', 'gender', 'birth_date')

),

address_evidence as (

    select
        customer_id,
        street,
        postal_code,
        city,
        country,
        'first_party' as method,
        source_system,
        source_entity,
        brand_id,
        version_at as observed_at,
        cast(null as date) as expires_on,
        record_key as source_key
    from held
    where coalesce(street, postal_code, city, country) is not null
    union all
    select
        customer_id,
        {% for part in address -%}
        max(case when field = '{{ part }}' then value end) as {{ part }},
        {% endfor -%}
        method,
        max(source_system) as source_system,
        max(source_entity) as source_entity,
        max(brand_id) as brand_id,
        max(observed_at) as observed_at,
        min(expires_on) as expires_on,
        max(source_key) as source_key
    from said
    where
        value is not null
        and field in ('street', 'postal_code', 'city', 'country')
    group by customer_id, method

),

compared_single as (

    select
        *,
        case field
            when 'email' then {{ email_identifier('value') }}
            when 'phone' then value
            when 'birth_date' then value
            else coalesce({{ plain_text('value') }}, lower(trim(value)))
        end as value_key
    from single_evidence

),

meant_addresses as (

    select
        address_evidence.*,
        coalesce({{ plain_text('address_evidence.city') }}, '') as city_key,
        coalesce(
            {{ plain_text('address_evidence.postal_code') }},
            {{ plain_text('address_evidence.street') }}
        ) as place_key
    from address_evidence
    anti join placeholders
        on
            placeholders.field = 'address'
            and {{ plain_text('address_evidence.city') }} = placeholders.value

),

addresses as (

    -- A country alone tells nothing where somebody gives a city.
    select *
    from meant_addresses
    qualify city is not null or not bool_or(city is not null) over (partition by customer_id)

),

placed as (

    select
        *,
        city_key || '|' || coalesce(
            place_key,
            first_value(place_key) over (
                partition by customer_id, city_key
                order by place_key is null, observed_at desc, source_key desc
            ),
            ''
        ) as value_key
    from addresses

),

everything as (

    select
        customer_id,
        field,
        value,
        cast(null as varchar) as street,
        cast(null as varchar) as postal_code,
        cast(null as varchar) as city,
        cast(null as varchar) as country,
        method,
        source_system,
        source_entity,
        brand_id,
        observed_at,
        expires_on,
        source_key,
        value_key,
        case
            when field in ('first_name', 'last_name')
                then len(regexp_extract_all(value_key, '[^ ]{2,}'))
            else 1
        end as completeness,
        case when method = 'override' then 7 else 0 end
        + cast(value <> lower(value) and value <> upper(value) as integer)
        + cast(regexp_matches(value, '[^ -~]') as integer) as spelling
    from compared_single
    union all
    select
        customer_id,
        'address' as field,
        null as value,
        street,
        postal_code,
        city,
        country,
        method,
        source_system,
        source_entity,
        brand_id,
        observed_at,
        expires_on,
        source_key,
        value_key,
        (
            cast(street is not null as integer)
            + cast(postal_code is not null as integer)
            + cast(city is not null as integer)
            + cast(country is not null as integer)
        ) as completeness,
        case
            when method = 'override' and place_key is not null then 9
            else completeness
        end as spelling
    from placed

),

final as (

    select
        everything.customer_id,
        everything.field,
        everything.value,
        everything.street,
        everything.postal_code,
        everything.city,
        everything.country,
        everything.value_key,
        everything.method,
        everything.source_system,
        everything.source_entity,
        everything.source_key,
        everything.brand_id,
        everything.observed_at,
        everything.expires_on,
        cast(everything.completeness as integer) as completeness,
        cast(everything.spelling as integer) as spelling,
        {{ this_load() }} as load_id
    from everything
    anti join placeholders
        on everything.field = placeholders.field and everything.value_key = placeholders.value
    anti join blocked
        on everything.field = blocked.id_type and everything.value_key = blocked.id_value

)

select * from final
