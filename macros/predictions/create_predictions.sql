{#
    The tables that the job predict fills; empty until it ran. Runs before every build, so that
    everything builds without predictions, and takes out of them who was erased, should a backup
    have brought the rows back. What is asked for, spine, each job says anew.
#}
{% macro create_predictions() -%}
    {%- if execute -%}
        {%- do run_query("create schema if not exists predictions") -%}
        {%- do run_query(
            "create or replace table predictions.spine (cutoff_on date not null, "
            ~ "horizon_days integer, customers_from varchar not null, "
            ~ "customers_below varchar not null)") -%}
        {%- do run_query(
            "create table if not exists predictions.customer_predictions ("
            ~ "customer_id varchar not null, brand_id varchar, as_of date not null, "
            ~ "model_version varchar not null, purchase_chance_30d double not null, "
            ~ "purchase_chance_60d double not null, purchase_chance_90d double not null, "
            ~ "alive_chance double not null, churn_risk double not null, at_risk_on date, "
            ~ "next_purchase_earliest_on date, next_purchase_on date, "
            ~ "next_purchase_latest_on date, expected_orders_90d double not null, "
            ~ "expected_amount_90d double not null, expected_orders_365d double not null, "
            ~ "expected_amount_365d double not null, confidence varchar not null, "
            ~ "recency_days integer not null, mean_gap_days double, speaks_for varchar, "
            ~ "speaks_against varchar)") -%}
        {#- A warehouse in which an earlier version has predicted. -#}
        {%- for column in ["speaks_for", "speaks_against"] -%}
            {%- do run_query(
                "alter table predictions.customer_predictions add column if not exists "
                ~ column ~ " varchar") -%}
        {%- endfor -%}
        {%- do run_query(
            "create table if not exists predictions.product_recommendations ("
            ~ "customer_id varchar not null, list varchar not null, place integer not null, "
            ~ "product_id varchar not null, score double not null, reason varchar not null, "
            ~ "as_of date not null)") -%}
        {%- do run_query(
            "create table if not exists predictions.purchase_parameters (brand_id varchar, "
            ~ "horizon_days integer not null, weeks double not null, r double not null, "
            ~ "alpha double not null, a double not null, b double not null, "
            ~ "model_version varchar not null)") -%}
        {%- do run_query(
            "create table if not exists predictions.lookalikes ("
            ~ "segment_id varchar not null, customer_id varchar not null, place integer not null, "
            ~ "score double not null, reason varchar not null, as_of date not null)") -%}
        {%- do run_query(
            "create table if not exists predictions.lookalike_audiences ("
            ~ "segment_id varchar not null, member_count bigint not null, "
            ~ "found_count bigint not null, auc double, heuristic_auc double, "
            ~ "status varchar not null, reason varchar not null, as_of date not null)") -%}
        {%- do run_query(
            "create table if not exists predictions.channel_choices ("
            ~ "customer_id varchar not null, best_channel varchar not null, "
            ~ "channel_evidence varchar not null, is_personal boolean not null, "
            ~ "expected_response double not null, lower_bound double not null, "
            ~ "reason varchar not null, as_of date not null)") -%}
        {%- do run_query(
            "create table if not exists predictions.models (model_version varchar not null, "
            ~ "as_of date not null, trained_at timestamp not null, git_state varchar not null, "
            ~ "features varchar[] not null, learnt_from date[] not null, "
            ~ "gain_low double, gain_high double, champion_fails boolean not null, "
            ~ "status varchar not null, reason varchar)") -%}
        {%- do run_query(
            "create table if not exists predictions.evaluations (model_version varchar not null, "
            ~ "cutoff_on date not null, horizon_days integer not null, "
            ~ "group_name varchar not null, customer_count bigint not null, "
            ~ "measure varchar not null, value double, heuristic double)") -%}
        {%- do run_query(
            "create table if not exists predictions.calibration_bins ("
            ~ "model_version varchar not null, cutoff_on date not null, "
            ~ "horizon_days integer not null, group_name varchar not null, "
            ~ "bin_number integer not null, customer_count bigint not null, "
            ~ "predicted double not null, actual double not null)") -%}
        {%- set of_customers = [
            "customer_predictions", "product_recommendations", "lookalikes", "channel_choices"
        ] -%}
        {%- for table in of_customers -%}
            {%- do run_query(
                "delete from predictions." ~ table ~ " where customer_id in "
                ~ "(select customer_id from registry.erased_customers)") -%}
            {#- Left behind where a gate failed. -#}
            {%- do run_query("drop table if exists predictions." ~ table ~ "_candidates") -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
