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
            {%- set evidence = {"customer_id": "customer_id"} -%}
            {%- for column in rule.used_columns -%}
                {%- do evidence.update({column: column}) -%}
            {%- endfor -%}
            {%- for measure in rule.measures -%}
                {#- times_bought(category = 'Tools', days = 90): times_bought_category_tools_days_90 -#}
                {%- set words = modules.re.sub("[^a-z0-9]+", "_", measure.label | lower) -%}
                {%- set alias = words.strip("_") -%}
                {%- if alias in evidence -%}
                    {%- set alias = alias ~ "_" ~ measure.name -%}
                {%- endif -%}
                {%- do evidence.update({alias: measure.name}) -%}
            {%- endfor -%}
            {%- set columns = [] -%}
            {%- for alias, column in evidence.items() -%}
                {%- do columns.append(column ~ " as " ~ adapter.quote(alias)) -%}
            {%- endfor -%}
            {%- do statements.append(
                "create view " ~ name ~ " as select " ~ columns | join(", ")
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
