{#
    Grain: one row per occasion, country of a brand and year, with the days on which people buy
    for it, from the year 1990 to the one after the as-of day. A row of seeds/occasions for a
    country wins over one for all countries. The library holidays knows the days that move; the
    function holiday_on asks it (orchestration/warehouse/functions.py). An increment adds the years
    that are missing.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail'
) }}

with brands as (

    select * from {{ ref('brands') }}

),

occasions as (

    select * from {{ ref('occasions') }}

),

countries as (

    select country
    from brands
    where country is not null
    group by country

),

years as (

    select cast(range as integer) as year_no
    from range(1990, extract(year from {{ as_of() }}) + 2)
    {%- if is_incremental() %}
    where range > (select max(standing.year_no) from {{ this }} as standing)
    {%- endif %}

),

celebrated as (

    select
        countries.country,
        occasions.occasion,
        occasions.position,
        occasions.calendar,
        occasions.holiday,
        occasions.month_day,
        occasions.from_days,
        occasions.until_days,
        occasions.is_gift,
        occasions.title
    from countries
    inner join occasions on countries.country = coalesce(occasions.country, countries.country)
    qualify row_number() over (
        partition by countries.country, occasions.occasion
        order by occasions.country nulls last, occasions.from_days
    ) = 1

),

dated as (

    select
        celebrated.*,
        years.year_no,
        case
            when celebrated.month_day is not null
                then cast(years.year_no || '-' || celebrated.month_day as date)
            else holiday_on(
                coalesce(celebrated.calendar, celebrated.country),
                celebrated.holiday,
                years.year_no
            )
        end as falls_on
    from celebrated
    cross join years

),

final as (

    select
        occasion,
        country,
        year_no,
        position,
        title,
        is_gift,
        falls_on + from_days as from_on,
        falls_on + until_days as until_on
    from dated
    where falls_on is not null

)

select * from final
