{#
    Kilometres between two places on the globe (haversine), to one decimal; NULL when a coordinate
    is. Args: two relations with latitude and longitude in degrees.
#}
{% macro distance_km(here, there) -%}
    round(
        2 * 6371 * asin(
            least(
                1,
                sqrt(
                    power(sin(radians({{ there }}.latitude - {{ here }}.latitude) / 2), 2)
                    + cos(radians({{ here }}.latitude)) * cos(radians({{ there }}.latitude))
                    * power(sin(radians({{ there }}.longitude - {{ here }}.longitude) / 2), 2)
                )
            )
        ),
        1
    )
{%- endmacro %}
