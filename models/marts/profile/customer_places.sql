{#
    Grain: one row per customer with a home: a city or country in the golden record. A city has a
    name here only if seeds/cities knows it: a village would point at a person.
    A store is open on the as-of day, and in reach when it is not further from the centre of the
    home city than people of a city of that size go (seeds/city_sizes). A move is seen where one
    record named two cities one after the other and the later one is home today; what was in reach
    before is asked of the stores of the day of the move.
#}
with golden as (

    select * from {{ ref('pii_customer_values') }}
    where is_golden and field in ('city', 'country')

),

customers as (

    select * from {{ ref('customers') }}

),

addresses as (

    select * from {{ ref('entity_addresses') }}
    where previous_city <> city and not is_test

),

records as (

    select * from {{ ref('identity_records') }} where customer_id is not null

),

stores as (

    select * from {{ ref('stores') }}

),

receipts as (

    select * from {{ ref('orders') }}
    where is_counted and customer_id is not null and store_id is not null

),

city_sizes as (

    select * from {{ ref('city_sizes') }}

),

cities as (

    select
        cities.*,
        {{ plain_text('cities.city') }} as city_key,
        city_sizes.city_size,
        city_sizes.reach_km
    from {{ ref('cities') }} as cities
    inner join city_sizes
        on
            cities.population >= city_sizes.at_least
            and (cities.population < city_sizes.below or city_sizes.below is null)

),

countries as (

    -- Only where the cities of a country agree is its time zone known without the city.
    select
        country,
        min(time_zone) as time_zone
    from cities
    group by country
    having count(distinct time_zone) = 1

),

placed_stores as (

    select
        stores.store_id,
        stores.brand_id,
        coalesce(cast(stores.opened_at as date), date '0001-01-01') as opened_on,
        coalesce(cast(stores.closed_at as date), date '9999-12-31') as closed_on,
        coalesce(stores.latitude, cities.latitude) as latitude,
        coalesce(stores.longitude, cities.longitude) as longitude
    from stores
    left join cities
        on
            stores.country = cities.country
            and {{ plain_text('stores.city') }} = cities.city_key

),

city_stores as (

    select
        cities.country,
        cities.city,
        cities.reach_km,
        placed_stores.store_id,
        placed_stores.brand_id,
        placed_stores.opened_on,
        placed_stores.closed_on,
        {{ distance_km('cities', 'placed_stores') }} as distance_km
    from cities
    inner join placed_stores on placed_stores.latitude is not null

),

open_stores as (

    select *
    from city_stores
    where opened_on <= {{ as_of() }} and closed_on > {{ as_of() }}

),

nearest as (

    select * from open_stores
    qualify row_number() over (
        partition by country, city order by distance_km, store_id
    ) = 1

),

nearest_of_brand as (

    select * from open_stores
    qualify row_number() over (
        partition by country, city, brand_id order by distance_km, store_id
    ) = 1

),

receipts_per_store as (

    select
        customer_id,
        store_id,
        count(*) as order_count,
        max(ordered_at) as last_order_at
    from receipts
    group by customer_id, store_id

),

usual as (

    select * from receipts_per_store
    qualify row_number() over (
        partition by customer_id order by order_count desc, last_order_at desc, store_id asc
    ) = 1

),

personal as (

    select
        customer_id,
        max(case when field = 'city' then value end) as city,
        max(case when field = 'country' then value end) as country
    from golden
    group by customer_id

),

homes as (

    select
        personal.customer_id,
        personal.country,
        cities.city,
        cities.population,
        cities.city_size,
        cities.reach_km,
        {{ plain_text('personal.city') }} as city_key,
        coalesce(cities.time_zone, countries.time_zone) as time_zone
    from personal
    left join cities
        on
            personal.country = cities.country
            and {{ plain_text('personal.city') }} = cities.city_key
    left join countries on personal.country = countries.country

),

moves as (

    select
        homes.customer_id,
        {{ local_date('addresses.version_at', 'homes.time_zone') }} as moved_on,
        addresses.previous_country,
        {{ plain_text('addresses.previous_city') }} as previous_city_key
    from addresses
    inner join records on addresses.record_key = records.record_key
    inner join homes on records.customer_id = homes.customer_id
    where
        {{ plain_text('addresses.city') }} = homes.city_key
        and {{ plain_text('addresses.previous_city') }} <> homes.city_key
    qualify row_number() over (
        partition by homes.customer_id
        order by addresses.version_at desc, addresses.record_key asc
    ) = 1

),

moved as (

    select
        moves.customer_id,
        moves.moved_on,
        cities.city as previous_home_city,
        bool_or(city_stores.distance_km <= city_stores.reach_km) as was_in_reach
    from moves
    left join cities
        on
            moves.previous_country = cities.country
            and moves.previous_city_key = cities.city_key
    left join city_stores
        on
            cities.country = city_stores.country
            and cities.city = city_stores.city
            and moves.moved_on >= city_stores.opened_on
            and moves.moved_on < city_stores.closed_on
    group by moves.customer_id, moves.moved_on, cities.city

),

final as (

    select
        homes.customer_id,
        homes.country,
        homes.city as home_city,
        homes.population as city_population,
        homes.city_size,
        homes.time_zone,
        nearest.store_id as nearest_store_id,
        nearest.distance_km as nearest_store_km,
        nearest_of_brand.store_id as nearest_main_store_id,
        nearest_of_brand.distance_km as nearest_main_store_km,
        case
            when homes.city is not null
                then coalesce(nearest.distance_km <= homes.reach_km, false)
        end as is_in_reach,
        usual.store_id as usual_store_id,
        usual.order_count as usual_store_orders,
        usual_distances.distance_km as usual_store_km,
        moved.moved_on,
        moved.previous_home_city,
        case
            when moved.previous_home_city is not null then coalesce(moved.was_in_reach, false)
        end as was_in_reach,
        coalesce(
            moved.was_in_reach
            and homes.city is not null
            and coalesce(nearest.distance_km > homes.reach_km, true),
            false
        ) as has_moved_away
    from homes
    left join customers on homes.customer_id = customers.customer_id
    left join nearest on homes.country = nearest.country and homes.city = nearest.city
    left join nearest_of_brand
        on
            homes.country = nearest_of_brand.country
            and homes.city = nearest_of_brand.city
            and customers.main_brand_id = nearest_of_brand.brand_id
    left join usual on homes.customer_id = usual.customer_id
    left join city_stores as usual_distances
        on
            homes.country = usual_distances.country
            and homes.city = usual_distances.city
            and usual.store_id = usual_distances.store_id
    left join moved on homes.customer_id = moved.customer_id

)

select * from final
