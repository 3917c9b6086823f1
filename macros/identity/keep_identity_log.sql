{#
    Append what this build changed to the log of identities, if everything passed: what the log
    holds, readers may have seen. A build that failed changes nothing, and the next one finds the
    same changes again. Runs after every build.
    Args: results, of all nodes of the run.
#}
{% macro keep_identity_log(results) -%}
    {%- set built = results | selectattr("node.name", "equalto", "identity_changes") | list -%}
    {%- set failed = results
        | rejectattr("status", "in", ["success", "pass", "warn", "no-op"]) | list -%}
    {%- if execute and built and not failed -%}
        {%- do run_query(
            "insert into registry.identity_log by name select * from " ~ built[0].node.relation_name
            ~ " where build_number > (select coalesce(max(build_number), 0) "
            ~ "from registry.identity_log)") -%}
    {%- endif -%}
{%- endmacro %}
