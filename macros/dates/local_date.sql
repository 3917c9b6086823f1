{# The date of a UTC timestamp in a time zone; in UTC when the zone is NULL. #}
{% macro local_date(timestamp_utc, time_zone) -%}
    cast(
        {{ timestamp_utc }} at time zone 'UTC' at time zone coalesce({{ time_zone }}, 'UTC')
        as date
    )
{%- endmacro %}
