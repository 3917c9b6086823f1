{#
    Grain: one row per customer, field and candidate value, the golden one first. Not published.
    Values that are equal as plain text are one candidate, spelled as its best spelling: with
    capitals and accents before without. Which candidate wins is asked criterion by criterion in
    the order of seeds/survivorship: override (a row of the system `manual` in the attributes, until
    it expires), declared (an answer), source (seeds/survivorship_sources; one that is not there
    comes last), recency, frequency (records that hold the value) and completeness: of names the
    words that are no initials, of an address its parts. What no criterion decides, the text does.
    street, postal_code, city and country survive together: an address is one candidate, its parts
    are of one record, and an override of any part replaces the whole. Records of one postal code
    and city tell of one address, and a city alone confirms an address in it.
    What belongs to nobody (identity.blocked) or says nothing (seeds/placeholder_values) is no
    candidate, nor is a gender that is guessed: what the given name tells is a field of its own,
    gender_inferred, where at least nine of ten bearers in the country have one gender.
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
{%- set address = ['street', 'postal_code', 'city', 'country'] -%}
{%- set positions = range(1, 7) %}

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

sources as (

    select * from {{ ref('survivorship_sources') }}

),

criteria as (

    select * from {{ ref('survivorship') }}

),

brands as (

    select * from {{ ref('brands') }}

),

given_names as (

    select * from {{ ref('given_names') }} where share >= 0.9

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

evidence as (

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
        + cast(value <> strip_accents(value) as integer) as spelling
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

meaningful as (

    select
        evidence.*,
        coalesce(sources.source_rank, 99) as source_rank,
        strftime(evidence.observed_at, '%Y%m%d%H%M%S%f') || evidence.source_key as recency
    from evidence
    left join sources
        on
            evidence.field = sources.field
            and evidence.source_entity = sources.source_entity
    anti join placeholders
        on evidence.field = placeholders.field and evidence.value_key = placeholders.value
    anti join blocked
        on evidence.field = blocked.id_type and evidence.value_key = blocked.id_value

),

candidates as (

    select
        customer_id,
        field,
        value_key,
        -- A list, as it may hold NULL: the parts of an address are of one record.
        max_by([value, street, postal_code, city, country], spelling || recency) as spelled,
        max_by(
            [method, source_system, source_entity, brand_id],
            case method when 'override' then 3 when 'declared' then 2 else 1 end
            || lpad(cast(99 - source_rank as varchar), 2, '0') || recency
        ) as origin,
        max(observed_at) as observed_at,
        max(expires_on) as expires_on,
        count(*) as seen_count,
        bool_or(method = 'override') as is_override,
        bool_or(method = 'declared') as is_declared,
        min(source_rank) as source_rank,
        max(completeness) as completeness
    from meaningful
    group by customer_id, field, value_key

),

criteria_of_field as (

    select
        field,
        {% for n in positions -%}
        max(case when position = {{ n }} then criterion end) as criterion_{{ n }},
        {% endfor -%}
        count(*) as criterion_count
    from criteria
    group by field

),

scored as (

    select
        candidates.*,
        {% for n in positions -%}
        criteria_of_field.criterion_{{ n }},
        case criteria_of_field.criterion_{{ n }}
            when 'override' then cast(candidates.is_override as bigint)
            when 'declared' then cast(candidates.is_declared as bigint)
            when 'source' then -candidates.source_rank
            when 'recency'
                then date_diff('second', timestamp '1970-01-01', candidates.observed_at)
            when 'frequency' then candidates.seen_count
            when 'completeness' then candidates.completeness
            else 0
        end as score_{{ n }},
        {% endfor -%}
        criteria_of_field.criterion_count
    from candidates
    left join criteria_of_field on candidates.field = criteria_of_field.field

),

ranked as (

    select
        *,
        row_number() over (
            partition by customer_id, field
            order by
                {% for n in positions -%}
                score_{{ n }} desc,
                {% endfor -%}
                value_key
        ) as value_rank
    from scored

),

compared as (

    select
        *,
        {% for n in positions -%}
        lead(score_{{ n }}) over (
            partition by customer_id, field order by value_rank
        ) as next_score_{{ n }},
        {% endfor -%}
        first_value(value_key) over (
            partition by customer_id, field order by value_rank
        ) as golden_key,
        -- In the order of the ranks like the others, so that one sort serves them all.
        count(*) over (
            partition by customer_id, field
            order by value_rank rows between unbounded preceding and unbounded following
        ) as candidate_count
    from ranked

),

judged as (

    select
        *,
        case
            when value_rank > 1 then null
            when candidate_count = 1 then 'only_value'
            {% for n in positions -%}
            when score_{{ n }} > next_score_{{ n }} then criterion_{{ n }}
            {% endfor -%}
            else 'text'
        end as decided_by,
        -- An initial or a part of the golden name does not contradict it.
        bool_or(
            value_key <> golden_key
            and not (
                field in ('first_name', 'last_name') and starts_with(golden_key, value_key)
            )
        ) over (partition by customer_id, field) as is_conflict
    from compared

),

golden_places as (

    select
        customer_id,
        spelled[5] as country
    from judged
    where field = 'address' and value_rank = 1

),

guessed as (

    select
        judged.customer_id,
        given_names.gender,
        judged.observed_at
    from judged
    left join golden_places on judged.customer_id = golden_places.customer_id
    left join brands on judged.origin[4] = brands.brand_id
    inner join given_names
        on
            split_part(judged.value_key, ' ', 1) = given_names.name
            and coalesce(golden_places.country, brands.country) = given_names.country
    where judged.field = 'first_name' and judged.value_rank = 1

),

told as (

    {% for part in address -%}
    select
        *,
        '{{ part }}' as told_field,
        spelled[{{ loop.index + 1 }}] as told_value
    from judged
    where field = 'address'
    union all
    {% endfor -%}
    select
        *,
        field as told_field,
        spelled[1] as told_value
    from judged
    where field <> 'address'

),

final as (

    select
        customer_id,
        told_field as field,
        told_value as value,
        cast(value_rank as integer) as value_rank,
        value_rank = 1 as is_golden,
        origin[1] as method,
        origin[2] as source_system,
        origin[3] as source_entity,
        observed_at,
        cast(seen_count as integer) as seen_count,
        decided_by,
        cast(candidate_count as integer) as candidate_count,
        is_conflict,
        expires_on,
        {{ this_load() }} as load_id
    from told
    where told_value is not null
    union all
    select
        customer_id,
        'gender_inferred' as field,
        gender as value,
        1 as value_rank,
        true as is_golden,
        'inferred' as method,
        null as source_system,
        'given_names' as source_entity,
        observed_at,
        1 as seen_count,
        'only_value' as decided_by,
        1 as candidate_count,
        false as is_conflict,
        null as expires_on,
        {{ this_load() }} as load_id
    from guessed

)

select * from final
