-- Who there is: planted personas first, then everybody else.

-- How many of each persona; places are numbers in the shuffled list of all persons.
create table persona_plan as
with counted as (
    select
        persona,
        greatest(5, round(of_20000 * getvariable('persons') / 20000.0))::bigint as people
    from (
        values
            ('abandoned_cart', 30),
            ('abandoned_checkout', 30),
            ('accidental_visitor', 25),
            ('birthday', 40),
            ('blog_reader', 30),
            ('declared_leaver', 25),
            ('discount_buyer', 40),
            ('gift_giver', 40),
            ('gift_leaver', 25),
            ('high_value_buyer', 40),
            ('losing_buyer', 50),
            ('mover', 30),
            ('new_buyer', 60),
            ('occasion_buyer', 40),
            ('offer_mismatch', 25),
            ('one_brand_buyer', 40),
            ('practical_buyer', 40),
            ('price_leaver', 25),
            ('price_seeker', 40),
            ('search_first', 40),
            ('service_problem', 25),
            ('stock_out', 25),
            ('stylish_buyer', 40),
            ('two_brand_buyer', 40),
            ('vanished_buyer', 45)
    ) as t (persona, of_20000)
)

select
    persona,
    people,
    sum(people) over (order by persona)::bigint as last_place,
    last_place - people + 1 as first_place
from counted;

-- One element of a list, the first ones oftener.
create macro often_first(id, salt, choices) as
    choices[1 + floor(power(u(id, salt), 1.6) * len(choices))::bigint];

-- Czech women's family names from the men's.
create macro family_name(name, country, gender) as case
    when country <> 'CZ' or gender <> 'female' then name
    when name like '%ý' then regexp_replace(name, 'ý$', 'á')
    when name like '%ek' then regexp_replace(name, 'ek$', 'ková')
    when name like '%ec' then regexp_replace(name, 'ec$', 'cová')
    else regexp_replace(name, '[aeoěí]?$', 'ová')
end;

-- Nobody but the planted has a birthday near the last day, however 29 February is counted.
set variable birthdays_kept_free = (
    select
        list(strftime(day, '%m-%d'))
        || case when bool_or(strftime(day, '%m-%d') in ('02-28', '03-01'))
            then ['02-29'] else []
        end
    from (
        select getvariable('until') + range::integer as day
        from range(-3, 11)
    )
);
set variable has_leap_birthdays = (
    select count(*) = 2
    from (
        select getvariable('until') + range::integer as day
        from range(7)
    )
    where strftime(day, '%m-%d') in ('02-28', '03-01')
);

-- Born on a day of the year, 20 to 59 years earlier; on 29 February only leap years do.
create macro born_on(birthday, years) as case
    when strftime(birthday, '%m-%d') = '02-29'
        then make_date(year(birthday) - 20 - 4 * (years // 4), 2, 29)
    else make_date(year(birthday) - 20 - years, month(birthday), day(birthday))
end;

create table persons as
with placed as (
    select
        range as n,
        row_number() over (order by u(range, 'place'), range) as place
    from range(1, getvariable('persons') + 1)
),

roles as (
    select
        placed.n,
        persona_plan.persona,
        placed.place - persona_plan.first_place as persona_place,
        persona_plan.persona is not null as is_clean,
        case
            when persona_plan.persona in ('mover', 'vanished_buyer') then 'store_only'
            when persona_plan.persona in ('accidental_visitor', 'blog_reader') then 'reader'
            when persona_plan.persona is not null then 'online'
            when u(placed.n, 'kind') < 0.14 then 'store_only'
            when u(placed.n, 'kind') < 0.17 then 'guest_only'
            when u(placed.n, 'kind') < 0.27 then 'reader'
            when u(placed.n, 'kind') < 0.55 then 'online'
            else 'omni'
        end as kind,
        case
            when persona_plan.persona = 'high_value_buyer' then 'female'
            when u(placed.n, 'gender') < 0.55 then 'female'
            else 'male'
        end as gender,
        -- The brand that loses buyers is the Polish one.
        case when persona_plan.persona = 'losing_buyer' then 0 else u(placed.n, 'country') end
            as country_draw
    from placed
    left join persona_plan
        on placed.place between persona_plan.first_place and persona_plan.last_place
),

settled as (
    select
        roles.* exclude (country_draw),
        countries.country,
        countries.calling_code,
        roles.is_clean or u(roles.n, 'brand') < 0.92 as is_native,
        case when is_native then brands.brand_no
            else 1 + (brands.brand_no + pick(roles.n, 'other brand', 2)) % 3
        end as brand_no,
        element(roles.n, 'street', countries.streets) || ' '
            || (1 + pick(roles.n, 'house', 120)) as street,
        element(roles.n, 'provider', countries.mail_providers) as mail_provider,
        -- The address of a firm, which dozens of people type.
        countries.role_address
            || (1 + pick(roles.n, 'firm', greatest(1, getvariable('persons') // 20000)))
            || '.' || countries.top_domain as role_address,
        '+' || countries.calling_code || element(roles.n, 'mobile', countries.mobile_prefixes)
            || lpad(
                ((roles.n * 7654321 + abs(getvariable('seed'))) % 10000000)::varchar, 7, '0'
            ) as phone,
        u(roles.n, 'city')
        * case roles.persona when 'high_value_buyer' then big_cities.share else 1 end
            as city_draw
    from roles
    inner join countries
        on roles.country_draw >= countries.share_from
        and roles.country_draw < countries.share_to
    inner join brands on countries.country = brands.country
    inner join big_cities on countries.country = big_cities.country
),

housed as (
    select
        settled.*,
        cities.city,
        cities.place as city_place,
        cities.places as cities,
        postal_code(settled.country, cities.postal_prefix, settled.n, 'postal code')
            as postal_code
    from settled
    inner join cities
        on settled.country = cities.country
        and settled.city_draw >= cities.share_from
        and settled.city_draw < cities.share_to
),

named as (
    select
        housed.*,
        often_first(housed.n, 'given name', names.given_names) as first_name,
        family_name(
            often_first(housed.n, 'family name', names.family_names), housed.country, housed.gender
        ) as last_name,
        -- Adults, most of them in the middle of life.
        getvariable('until') - 18 * 365
            - (62 * 365 * (u(housed.n, 'age') + u(housed.n, 'age too')) / 2)::integer
            as drawn_birth_date
    from housed
    inner join names
        on housed.country = names.country and housed.gender = names.gender
)

select
    n,
    persona,
    is_clean,
    kind,
    gender,
    country,
    calling_code,
    brand_no,
    is_native,
    -- Most are true to one brand.
    case when not is_clean and u(n, 'second brand') < 0.18
        then 1 + (brand_no + pick(n, 'which second', 2)) % 3
    end as second_brand_no,
    not is_clean and u(n, 'roams') < 0.04 as is_in_all_brands,
    street,
    postal_code,
    city,
    city_place,
    cities,
    first_name,
    last_name,
    case
        when persona = 'birthday' and persona_place < 2 and getvariable('has_leap_birthdays')
            then make_date(4 * (490 + pick(n, 'leap year', 11)), 2, 29)
        when persona = 'birthday' then born_on(
            getvariable('until') + (persona_place % 7)::integer, pick(n, 'years', 40)
        )
        when list_contains(
            getvariable('birthdays_kept_free'), strftime(drawn_birth_date, '%m-%d')
        ) then drawn_birth_date + 40
        else drawn_birth_date
    end as birth_date,
    plain_letters(first_name) || '.' || plain_letters(last_name) || n || '@' || mail_provider
        as email,
    plain_letters(last_name) || '.' || n || '@'
        || element(n, 'second address', ['gmail.com', 'outlook.com', 'icloud.com'])
        as second_email,
    role_address,
    phone,
    8.5 + 12.5 * u(n, 'hour') as hour,
    case kind
        when 'online' then true
        when 'omni' then u(n, 'has account') < 0.93
        when 'reader' then is_clean or u(n, 'has account') < 0.5
        when 'store_only' then is_clean or u(n, 'has account') < 0.3
        else false
    end as has_account,
    case kind
        when 'omni' then u(n, 'has card') < 0.7
        when 'store_only' then is_clean or u(n, 'has card') < 0.95
        when 'online' then not is_clean and u(n, 'has card') < 0.05
        else false
    end as has_card,
    case
        when persona in ('accidental_visitor', 'losing_buyer', 'new_buyer', 'search_first')
            then false
        when persona = 'vanished_buyer' then true
        when kind in ('online', 'omni') then u(n, 'has contact') < 0.6
        when kind = 'store_only' then u(n, 'has contact') < 0.45
        when kind = 'reader' then u(n, 'has contact') < 0.9
        else u(n, 'has contact') < 0.5
    end as has_contact
from named;
