{#
    Personal data are in the schema pii alone. A failing row is a column of the marts or segments,
    views made from seeds included, that is named like personal data. The places of stores are
    nobody's, and of homes the marts name cities of the seed only, where many live.
    It reads the catalogue of the warehouse, so it names the models that it has to come after.
#}
{{ config(meta={'dagster': {'ref': {'name': 'customers'}}}) }}

-- depends_on: {{ ref('customers') }}, {{ ref('memberships') }}, {{ ref('customer_records') }}
-- depends_on: {{ ref('order_lines') }}
select
    table_schema,
    table_name,
    column_name
from information_schema.columns
where
    table_catalog = current_database()
    and table_schema in ('marts', 'segments')
    and regexp_matches(
        column_name,
        '^(.*_)?(e_?mail|phone|mobile|(first|last|full|sur)_?name|birth_?(date|day)|street|address'
        || '|postal_code|city|latitude|longitude|ip|id_value|search_term)(_address|_number)?$'
    )
    and not (table_schema = 'marts' and table_name = 'stores')
    and column_name not in ('home_city', 'previous_home_city')
