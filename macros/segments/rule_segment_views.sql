{#
    One view in the schema segments for each rule in force: its members, with the columns and
    measures that the rule asks for as evidence. The view of a rule that is gone, expired or
    refused is dropped: every view there that is neither a model nor made by seed_segment_views.
    Run as a post-hook of rule_memberships.
#}
{% macro rule_segment_views() -%}
    {%- if execute -%}
        {%- set models = [] -%}
        {%- for node in graph.nodes.values() if node.schema == this.schema -%}
            {%- do models.append(node.alias) -%}
        {%- endfor -%}
        {%- set standing = run_query(
            "select view_name from duckdb_views() where database_name = '" ~ this.database
            ~ "' and schema_name = '" ~ this.schema ~ "' "
            ~ "and not regexp_matches(view_name, '^(lifecycle|rfm)_')"
        ) -%}
        {%- set statements = [] -%}
        {%- for row in standing.rows if row[0] not in models -%}
            {%- do statements.append("drop view segments." ~ adapter.quote(row[0])) -%}
        {%- endfor -%}
        {%- for rule in rules_in_force() -%}
            {%- set name = "segments." ~ adapter.quote(rule.segment_id) -%}
            {%- set evidence = [] -%}
            {%- for column in rule.used_columns if column != "customer_id" -%}
                {%- do evidence.append(", " ~ adapter.quote(column)) -%}
            {%- endfor -%}
            {%- for measure in rule.measures -%}
                {%- do evidence.append(
                    ", " ~ measure.name ~ " as " ~ adapter.quote(measure.label)
                ) -%}
            {%- endfor -%}
            {%- do statements.append(
                "create view " ~ name ~ " as select customer_id" ~ evidence | join
                ~ " from " ~ ref('rule_inputs') ~ " where " ~ rule.expression
            ) -%}
            {%- set words = [rule.title, "Rule: " ~ rule.rule] -%}
            {%- if rule.owner -%}
                {%- do words.append("Owner: " ~ rule.owner) -%}
            {%- endif -%}
            {%- do statements.append(
                "comment on view " ~ name ~ " is '"
                ~ words | join("\n") | replace("'", "''") ~ "'"
            ) -%}
        {%- endfor -%}
        {%- if statements -%}
            {%- do run_query(statements | join(";\n")) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
