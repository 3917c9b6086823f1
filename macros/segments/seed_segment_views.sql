{#
    One view in the schema segments for each name in a seed: lifecycle_<stage>, rfm_<segment>.
    Whoever renames or adds a row in the seed gets the view with the next build, and the view of
    a name that is gone is dropped. Run as a post-hook of memberships.
#}
{% macro seed_segment_views() -%}
    {%- if execute -%}
        {%- set database = this.database -%}
        {%- set standing = run_query(
            "select view_name from duckdb_views() where database_name = '" ~ database
            ~ "' and schema_name = 'segments' and regexp_matches(view_name, '^(lifecycle|rfm)_')"
        ) -%}
        {%- for row in standing.rows -%}
            {%- do run_query("drop view segments." ~ adapter.quote(row[0])) -%}
        {%- endfor -%}
        {%- set stages = run_query("select stage from " ~ ref('lifecycle_stages')) -%}
        {%- for row in stages.rows -%}
            {%- do run_query(
                "create view segments." ~ adapter.quote("lifecycle_" ~ row[0])
                ~ " as select stages.customer_id, stages.stage_since as entered_at, "
                ~ "stages.previous_stage, stages.days_since_order, stages.reason "
                ~ "from " ~ ref('customer_lifecycle') ~ " as stages inner join "
                ~ ref('customers') ~ " as customers using (customer_id) "
                ~ "where stages.stage = '" ~ row[0] ~ "' "
                ~ "and customers.erasure_requested_at is null") -%}
        {%- endfor -%}
        {%- set names = run_query("select distinct rfm_segment from " ~ ref('rfm_segments')) -%}
        {%- for row in names.rows -%}
            {%- do run_query(
                "create view segments." ~ adapter.quote("rfm_" ~ row[0])
                ~ " as select rfm.customer_id, customers.last_order_at as entered_at, "
                ~ "rfm.recency_days, rfm.frequency, rfm.monetary, rfm.r_score, rfm.f_score, "
                ~ "rfm.m_score from " ~ ref('customer_rfm') ~ " as rfm inner join "
                ~ ref('customers') ~ " as customers using (customer_id) "
                ~ "where rfm.brand_id is null and rfm.rfm_segment = '" ~ row[0] ~ "' "
                ~ "and customers.erasure_requested_at is null") -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
