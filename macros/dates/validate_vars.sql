{# Stops a run whose vars make no sense, before anything is built. #}
{% macro validate_vars() %}
    {%- if execute -%}
        {%- set as_of = var("as_of") -%}
        {%- if as_of and not modules.re.match("^\d{4}-\d{2}-\d{2}$", as_of | string) -%}
            {{ exceptions.raise_compiler_error(
                "as_of must be a date like 2026-06-30, it is '" ~ as_of ~ "'") }}
        {%- endif -%}
        {%- if not modules.re.match("^[A-Z]{3}$", var("reporting_currency")) -%}
            {{ exceptions.raise_compiler_error(
                "reporting_currency must be an ISO 4217 code like EUR, it is '"
                ~ var("reporting_currency") ~ "'") }}
        {%- endif -%}
        {%- if var("linkage") is not boolean -%}
            {{ exceptions.raise_compiler_error(
                "linkage must be true or false, it is '" ~ var("linkage") ~ "'") }}
        {%- endif -%}
        {%- set numbers = [
            "rfm_window_days", "rfm_min_buyers", "session_gap_minutes", "identity_max_identifiers",
            "identity_max_changed_percent", "household_max_customers"
        ] -%}
        {%- for name in numbers -%}
            {%- if var(name) is not number or var(name) < 0 -%}
                {{ exceptions.raise_compiler_error(
                    name ~ " must be a whole number from 0 up, it is '" ~ var(name) ~ "'") }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
