{#
    What no rebuild touches: the log of identities, whose rows are those of identity_changes, the
    tombstones of customers who were erased, the arms that customers were drawn for, who was in
    which segment, and the sizes of the segments. Runs before every build, and stops it when the
    tombstones could not be compared.
#}
{% macro create_registry() -%}
    {%- if execute -%}
        {%- do run_query("create schema if not exists registry") -%}
        {%- do run_query(
            "create table if not exists registry.identity_log (build_number bigint not null, "
            ~ "as_of date not null, load_id bigint not null, node bigint not null, "
            ~ "other_node bigint, status varchar not null, from_customer_id varchar, "
            ~ "to_customer_id varchar, is_founder boolean not null, reason varchar)") -%}
        {%- do run_query(
            "create table if not exists registry.erased_customers (customer_id varchar not null, "
            ~ "current_customer_id varchar not null, successor_id varchar not null, "
            ~ "erased_at timestamp not null)") -%}
        {%- do run_query(
            "create table if not exists registry.erased_records (record_hash varchar not null, "
            ~ "key_check varchar not null, erased_at timestamp)") -%}
        {#- A warehouse from before erasures were dated. -#}
        {%- do run_query(
            "alter table registry.erased_records add column if not exists erased_at timestamp") -%}
        {%- do run_query(
            "create table if not exists registry.experiment_assignments (experiment_id varchar "
            ~ "not null, customer_id varchar not null, arm varchar not null, stratum varchar, "
            ~ "assigned_at timestamp not null)") -%}
        {%- do run_query(
            "create table if not exists registry.membership_spells (segment_id varchar not null, "
            ~ "customer_id varchar not null, entered_on date not null, left_on date)") -%}
        {%- do run_query(
            "create table if not exists registry.segment_sizes (segment_id varchar not null, "
            ~ "as_of date not null, customer_count bigint not null, "
            ~ "entered_count bigint not null, left_count bigint not null, share double not null, "
            ~ "previous_as_of date, previous_count bigint, largest_daily_change double, "
            ~ "is_unusual boolean not null)") -%}
        {%- set of_another_key = run_query(
            "select count(*) from registry.erased_records where key_check <> "
            ~ erased_record("''")).rows[0][0] -%}
        {%- if of_another_key > 0 -%}
            {{ exceptions.raise_compiler_error(
                "SEGMENT_OF_ONE_PEPPER is not the one under which customers were erased: with this "
                ~ "one they would come back. Set the one from before.") }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
