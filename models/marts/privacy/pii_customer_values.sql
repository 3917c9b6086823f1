{#
    Grain: one row per customer, field and candidate value, the golden one first. Not published.
    Values of the evidence with one value_key are one candidate, spelled as its best spelling: with
    capitals and accents before without. Which candidate wins is asked criterion by criterion in
    the order of seeds/survivorship: override (until it expires), declared (an answer), source
    (seeds/survivorship_sources; one that is not there comes last), recency, frequency (records
    that hold the value) and completeness: of names the words that are no initials, of an address
    its parts. What no criterion decides, the text does.
    street, postal_code, city and country survive together: an address is one candidate, its parts
    are of one record, and an override of any part replaces the whole.
    A gender that is guessed is no candidate: what the given name tells is a field of its own,
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
{%- set address = ['street', 'postal_code', 'city', 'country'] -%}
{%- set positions = range(1, 7) %}

with all_evidence as (

    select * from {{ ref('pii_customer_evidence') }}
    {%- if is_incremental() %}
    where customer_id in (select touched.customer_id from touched_customers as touched)
    {%- endif %}

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

evidence as (

    select
        all_evidence.*,
        coalesce(sources.source_rank, 99) as source_rank,
        strftime(all_evidence.observed_at, '%Y%m%d%H%M%S%f')
        || all_evidence.source_key as recency
    from all_evidence
    left join sources
        on
            all_evidence.field = sources.field
            and all_evidence.source_entity = sources.source_entity

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
    from evidence
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
