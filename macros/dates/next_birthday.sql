{#
    The next birthday on or after the as-of day. Who was born on 29 February has it on the 28th
    in common years: adding years to a date keeps to the end of February.
#}
{% macro next_birthday(birth_date) -%}
    cast(
        case
            when {{ birth_date }} + to_years(date_diff('year', {{ birth_date }}, {{ as_of() }}))
                >= {{ as_of() }}
                then {{ birth_date }}
                    + to_years(date_diff('year', {{ birth_date }}, {{ as_of() }}))
            else {{ birth_date }}
                + to_years(date_diff('year', {{ birth_date }}, {{ as_of() }}) + 1)
        end as date
    )
{%- endmacro %}
