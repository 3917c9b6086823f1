{#
    Record who entered and left which segment on the as-of day, and the sizes, if everything passed:
    a build that failed leaves no trace. A day that was recorded before is replaced. Of a day before
    the last recorded one nothing is kept: what came after it is told already. Runs after every
    build.
    Args: results, of all nodes of the run.
#}
{% macro keep_membership_history(results) -%}
    {%- set built = {} -%}
    {%- for result in results -%}
        {%- do built.update({result.node.name: result.node.relation_name}) -%}
    {%- endfor -%}
    {%- set failed = results
        | rejectattr("status", "in", ["success", "pass", "warn", "no-op"]) | list -%}
    {%- if execute and "membership_changes" in built and "sizes" in built and not failed -%}
        {%- set is_past = run_query(
            "select coalesce(max(as_of) > " ~ as_of() ~ ", false) from registry.segment_sizes"
            ).rows[0][0] -%}
        {%- if not is_past -%}
            {%- do run_query(
                "begin transaction; "
                ~ "delete from registry.membership_spells where entered_on = " ~ as_of() ~ "; "
                ~ "update registry.membership_spells set left_on = null "
                ~ "where left_on = " ~ as_of() ~ "; "
                ~ "update registry.membership_spells as spells set left_on = " ~ as_of()
                ~ " from " ~ built["membership_changes"] ~ " as changes "
                ~ "where changes.left_on is not null and spells.segment_id = changes.segment_id "
                ~ "and spells.customer_id = changes.customer_id "
                ~ "and spells.entered_on = changes.entered_on; "
                ~ "insert into registry.membership_spells by name select * from "
                ~ built["membership_changes"] ~ " where left_on is null; "
                ~ "delete from registry.segment_sizes where as_of = " ~ as_of() ~ "; "
                ~ "insert into registry.segment_sizes by name "
                ~ "select * from " ~ built["sizes"] ~ " where as_of = " ~ as_of() ~ "; "
                ~ "commit") -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
