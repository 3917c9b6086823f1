{#
    Grain: one row per customer with personal data: the golden value of each field
    (pii.customer_values). Not published to readers.
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
        by_expiry='overrides_expire_on'
    ) }}"
) }}

with golden as (

    select * from {{ ref('pii_customer_values') }}
    where
        is_golden
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

final as (

    select
        customer_id,
        {% for field in [
            'email', 'phone', 'first_name', 'last_name', 'gender', 'gender_inferred'
        ] -%}
        max(case when field = '{{ field }}' then value end) as {{ field }},
        {% endfor -%}
        cast(max(case when field = 'birth_date' then value end) as date) as birth_date,
        {% for field in ['street', 'postal_code', 'city', 'country'] -%}
        max(case when field = '{{ field }}' then value end) as {{ field }},
        {% endfor -%}
        min(expires_on) as overrides_expire_on,
        {{ this_load() }} as load_id
    from golden
    group by customer_id

)

select * from final
