{#
    Keep what this build drew, if everything passed: from now on it stands, whatever becomes of the
    customers. A build that failed reached nobody, and the next one draws again. Runs after every
    build.
    Args: results, of all nodes of the run.
#}
{% macro keep_assignments(results) -%}
    {%- set built = results
        | selectattr("node.name", "equalto", "experiment_assignments") | list -%}
    {%- set failed = results
        | rejectattr("status", "in", ["success", "pass", "warn", "no-op"]) | list -%}
    {%- if execute and built and not failed -%}
        {%- do run_query(
            "insert into registry.experiment_assignments "
            ~ "select experiment_id, customer_id, arm, stratum, assigned_at from "
            ~ built[0].node.relation_name ~ " as drawn "
            ~ "anti join registry.experiment_assignments using (experiment_id, customer_id) "
            ~ "where assigned_by = 'draw'") -%}
    {%- endif -%}
{%- endmacro %}
