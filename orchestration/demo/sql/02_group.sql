-- The group: its countries, brands, cities, stores and products.

create table countries as
select *
from (
    values
        (
            'PL', 0.0, 0.5, '48',
            ['50', '51', '53', '60', '66', '69', '72', '78', '79', '88'],
            ['gmail.com', 'gmail.com', 'gmail.com', 'gmail.com', 'wp.pl', 'wp.pl', 'wp.pl',
                'o2.pl', 'onet.pl', 'interia.pl'],
            ['Polna', 'Leśna', 'Słoneczna', 'Krótka', 'Szkolna', 'Ogrodowa', 'Lipowa', 'Prosta'],
            'biuro@budowa', 'pl'
        ),
        (
            'DE', 0.5, 0.8, '49',
            ['1512', '1573', '1601', '1705', '1761', '1792'],
            ['gmail.com', 'gmail.com', 'gmail.com', 'gmail.com', 'gmx.de', 'gmx.de', 'web.de',
                'web.de', 't-online.de', 'outlook.de'],
            ['Hauptstraße', 'Gartenstraße', 'Bahnhofstraße', 'Schulstraße', 'Bergstraße',
                'Lindenweg', 'Kirchplatz', 'Wiesenweg'],
            'info@handwerk', 'de'
        ),
        (
            'CZ', 0.8, 1.0, '420',
            ['60', '70', '72', '73', '77'],
            ['seznam.cz', 'seznam.cz', 'seznam.cz', 'seznam.cz', 'seznam.cz', 'gmail.com',
                'gmail.com', 'gmail.com', 'email.cz', 'centrum.cz'],
            ['Zahradní', 'Krátká', 'Školní', 'Nádražní', 'Polní', 'Lesní', 'Lipová', 'Husova'],
            'kontakt@obchod', 'cz'
        )
) as t (
    country, share_from, share_to, calling_code, mobile_prefixes, mail_providers, streets,
    role_address, top_domain
);

-- per_eur: units of the brand's currency that buy one euro. mailing_day: days before the last
-- day on which the newest newsletter left.
create table brands as
select *
from (
    values
        (1, 'domowo', 'Domowo', 'PL', 'PLN', 4.30, 16.99, 9.00, 1, 'domowo.pl', 'ceneo.pl'),
        (2, 'werkhof', 'Werkhof', 'DE', 'EUR', 1.00, 3.99, 2.00, 2, 'werkhof.de', 'idealo.de'),
        (3, 'lilla', 'Lilla', 'CZ', 'CZK', 25.00, 99.00, 50.00, 0, 'lilla.cz', 'heureka.cz')
) as t (
    brand_no, brand_id, name, country, currency, per_eur, postage, wrapping, mailing_day, site,
    price_comparison
);

-- Residents, rounded to thousands; degrees; the first digits of the postal codes.
create table cities as
with listed as (
    select *
    from (
        values
            ('PL', 'Warszawa', 1863000, 52.2297, 21.0122, '00'),
            ('PL', 'Kraków', 806000, 50.0647, 19.9450, '30'),
            ('PL', 'Wrocław', 674000, 51.1079, 17.0385, '50'),
            ('PL', 'Łódź', 645000, 51.7592, 19.4560, '90'),
            ('PL', 'Poznań', 537000, 52.4064, 16.9252, '60'),
            ('PL', 'Gdańsk', 488000, 54.3520, 18.6466, '80'),
            ('PL', 'Szczecin', 388000, 53.4285, 14.5528, '70'),
            ('PL', 'Lublin', 329000, 51.2465, 22.5684, '20'),
            ('PL', 'Białystok', 291000, 53.1325, 23.1688, '15'),
            ('PL', 'Katowice', 279000, 50.2649, 19.0238, '40'),
            ('PL', 'Rzeszów', 197000, 50.0412, 21.9991, '35'),
            ('PL', 'Olsztyn', 167000, 53.7784, 20.4801, '10'),
            ('PL', 'Opole', 126000, 50.6751, 17.9213, '45'),
            ('PL', 'Nowy Sącz', 80000, 49.6218, 20.6970, '33'),
            ('PL', 'Zakopane', 26000, 49.2992, 19.9496, '34'),
            ('DE', 'Berlin', 3755000, 52.5200, 13.4050, '10'),
            ('DE', 'Hamburg', 1892000, 53.5511, 9.9937, '20'),
            ('DE', 'München', 1512000, 48.1351, 11.5820, '80'),
            ('DE', 'Köln', 1084000, 50.9375, 6.9603, '50'),
            ('DE', 'Frankfurt am Main', 773000, 50.1109, 8.6821, '60'),
            ('DE', 'Stuttgart', 632000, 48.7758, 9.1829, '70'),
            ('DE', 'Leipzig', 616000, 51.3397, 12.3731, '04'),
            ('DE', 'Dresden', 563000, 51.0504, 13.7373, '01'),
            ('DE', 'Münster', 320000, 51.9607, 7.6261, '48'),
            ('DE', 'Freiburg im Breisgau', 236000, 47.9990, 7.8421, '79'),
            ('DE', 'Regensburg', 157000, 49.0134, 12.1016, '93'),
            ('DE', 'Ulm', 129000, 48.4011, 9.9876, '89'),
            ('DE', 'Görlitz', 57000, 51.1526, 14.9887, '02'),
            ('CZ', 'Praha', 1357000, 50.0755, 14.4378, '11'),
            ('CZ', 'Brno', 396000, 49.1951, 16.6068, '60'),
            ('CZ', 'Ostrava', 284000, 49.8209, 18.2625, '70'),
            ('CZ', 'Plzeň', 181000, 49.7384, 13.3736, '30'),
            ('CZ', 'Liberec', 107000, 50.7663, 15.0543, '46'),
            ('CZ', 'Olomouc', 101000, 49.5938, 17.2509, '77'),
            ('CZ', 'České Budějovice', 97000, 48.9745, 14.4743, '37'),
            ('CZ', 'Hradec Králové', 93000, 50.2104, 15.8252, '50'),
            ('CZ', 'Zlín', 74000, 49.2265, 17.6707, '76'),
            ('CZ', 'Jihlava', 53000, 49.3961, 15.5912, '58'),
            ('CZ', 'Český Krumlov', 13000, 48.8127, 14.3175, '38')
    ) as t (country, city, population, latitude, longitude, postal_prefix)
),

placed as (
    select
        *,
        row_number() over (partition by country order by population desc, city) as place,
        count(*) over (partition by country) as places,
        sum(population) over (partition by country) as country_population,
        sum(population) over (
            partition by country order by population desc, city rows unbounded preceding
        ) as population_so_far
    from listed
)

-- share_from and share_to cut [0, 1) into cities by population, the biggest first.
select
    country,
    city,
    population,
    latitude,
    longitude,
    postal_prefix,
    place,
    places,
    (population_so_far - population) / country_population::double as share_from,
    population_so_far / country_population::double as share_to
from placed;

create table big_cities as
select country, max(share_to) as share
from cities
where population >= 500000
group by country;

create macro postal_code(country, prefix, id, salt) as case country
    when 'PL' then prefix || '-' || lpad(pick(id, salt, 1000)::varchar, 3, '0')
    when 'CZ' then prefix || pick(id, salt, 10) || ' '
        || lpad(pick(id, salt || ' end', 100)::varchar, 2, '0')
    else prefix || lpad(pick(id, salt, 1000)::varchar, 3, '0')
end;

-- Each brand has a store in every city of its country.
create table demo_tills.stores as
with opened as (
    select
        store_id(brands.brand_no, cities.place) as store_id,
        brands.brand_id,
        brands.name || ' ' || cities.city as name,
        (make_date(2012 + pick(cities.place, brands.name, 10)::integer, 4, 1))::timestamp
            as opened_at,
        null::timestamp as updated_at,
        null::timestamp as closed_at,
        postal_code(cities.country, cities.postal_prefix, cities.place, brands.name)
            as postal_code,
        cities.city,
        cities.country,
        cities.latitude,
        cities.longitude,
        cities.place = cities.places as is_smallest
    from brands
    inner join cities on brands.country = cities.country
),

-- The store of each smallest city has closed yesterday, in the last file but one.
closed as (
    select
        * replace (
            getvariable('until') - 1 + interval 17 hours as updated_at,
            getvariable('until') - 1 + interval 17 hours as closed_at
        )
    from opened
    where is_smallest
)

select *, null::date as delivered_on from opened
union all
select *, updated_at::date as delivered_on from closed
order by store_id, updated_at nulls first;

-- What the brands sell, and the price in euros of an average make. The last category of each
-- brand is for those who buy without looking at the price.
create table wares as
select *
from (
    values
        (
            1, 1, 'Home and Garden > Garden tools',
            [
                'Spade', 'Rake', 'Pruning shears', 'Garden hose', 'Watering can', 'Wheelbarrow',
                'Lawn mower'
            ],
            [24, 18, 16, 32, 12, 75, 110]
        ),
        (
            1, 2, 'Home and Garden > Garden furniture',
            [
                'Garden chair', 'Garden table', 'Parasol', 'Bench', 'Cushion', 'Lantern',
                'Flower pot'
            ],
            [45, 110, 75, 98, 14, 19, 9]
        ),
        (
            1, 3, 'Kitchen > Cookware',
            [
                'Frying pan', 'Saucepan', 'Knife set', 'Baking tray', 'Kettle', 'Chopping board',
                'Tea mug'
            ],
            [29, 34, 48, 13, 36, 15, 7]
        ),
        (
            1, 4, 'Home Textiles > Bedding',
            [
                'Duvet', 'Pillow', 'Bed linen', 'Blanket', 'Towel', 'Bath mat', 'Curtain'
            ],
            [52, 22, 39, 33, 11, 16, 27]
        ),
        (
            1, 5, 'Home and Garden > Premium',
            [
                'Garden lounge set', 'Robot mower'
            ],
            [520, 590]
        ),
        (
            2, 1, 'Tools > Power tools',
            [
                'Cordless drill', 'Jigsaw', 'Sander', 'Angle grinder', 'Heat gun', 'Work light',
                'Battery pack'
            ],
            [95, 72, 58, 64, 38, 27, 49]
        ),
        (
            2, 2, 'Tools > Hand tools',
            [
                'Hammer', 'Screwdriver set', 'Pliers', 'Spirit level', 'Socket set',
                'Tape measure', 'Hand saw'
            ],
            [17, 24, 15, 21, 55, 8, 19]
        ),
        (
            2, 3, 'Building > Paint',
            [
                'Wall paint', 'Wood stain', 'Primer', 'Paint roller', 'Brush set',
                'Masking tape', 'Drop cloth'
            ],
            [34, 22, 18, 9, 11, 5, 6]
        ),
        (
            2, 4, 'Building > Fixings',
            [
                'Screws', 'Wall plugs', 'Shelf bracket', 'Hinge', 'Tool box', 'Workbench',
                'Ladder'
            ],
            [7, 6, 9, 8, 42, 112, 105]
        ),
        (
            2, 5, 'Tools > Premium',
            [
                'Table saw', 'Pressure washer'
            ],
            [560, 510]
        ),
        (
            3, 1, 'Beauty > Skin care',
            [
                'Day cream', 'Night cream', 'Face serum', 'Cleanser', 'Sun milk', 'Hand cream',
                'Face mask'
            ],
            [24, 29, 36, 13, 17, 8, 11]
        ),
        (
            3, 2, 'Beauty > Fragrance',
            [
                'Eau de parfum', 'Eau de toilette', 'Body mist', 'Perfume oil', 'Room diffuser',
                'Fragrance set', 'Niche perfume'
            ],
            [68, 49, 15, 32, 27, 85, 112]
        ),
        (
            3, 3, 'Gifts > Gift sets',
            [
                'Spa set', 'Bath set', 'Shaving set', 'Tea set', 'Advent calendar',
                'Gift hamper', 'Chocolate box'
            ],
            [39, 26, 45, 31, 58, 92, 14]
        ),
        (
            3, 4, 'Gifts > Candles',
            [
                'Scented candle', 'Candle trio', 'Tea lights', 'Candle holder', 'Wax melts',
                'Lantern candle', 'Candle gift box'
            ],
            [16, 28, 6, 19, 7, 23, 35]
        ),
        (
            3, 5, 'Gifts > Premium',
            [
                'Diamond gift hamper', 'Collector perfume set'
            ],
            [540, 570]
        )
) as t (brand_no, category_no, category_path, nouns, prices);

-- Ten makes of each ware. An ordinary product costs less than 160 EUR, a premium one at least
-- 480 EUR. Numbers 1 to 70 are the brand's first category, and so on; 281 to 300 are premium.
create table products as
with named as (
    select
        brand_no,
        category_no,
        category_path,
        unnest(nouns) as noun,
        unnest(prices) as average_eur
    from wares
),

made as (
    select
        named.brand_no,
        named.category_no,
        named.category_path,
        named.noun,
        makes.make,
        hash(named.noun, makes.make) as id,
        named.average_eur * case when named.category_no = 5
            then 0.95 + 0.02 * makes.make
            else 0.75 + 0.07 * makes.make
        end as eur
    from named
    cross join (select range as make from range(10)) as makes
),

numbered as (
    -- Low numbers sell best: the cheaper ones, on the whole.
    select
        *,
        70 * (category_no - 1) + row_number() over (
            partition by brand_no, category_no
            order by eur * (0.3 + u(id, 'popularity')), noun, make
        ) as product_no
    from made
),

-- Number 301 is the new model of the season, which nobody has bought yet.
new_models as (
    select
        brand_no,
        category_no,
        category_path,
        nouns[list_position(prices, list_max(prices))] as noun,
        10 as make,
        hash(noun, make) as id,
        list_max(prices)::double as eur,
        301 as product_no
    from wares
    where category_no = 1
),

offered as (
    select * from numbered
    union all
    select * from new_models
)

select
    offered.brand_no,
    offered.product_no,
    offered.category_no,
    offered.category_path,
    offered.noun,
    offered.id,
    offered.noun || ' ' || element(
        offered.make, brands.brand_id,
        ['Classic', 'Nord', 'Plus', 'Eco', 'Pro', 'Compact', 'Deluxe', 'Basic', 'Urban', 'Max']
    ) || ' ' || (100 + 10 * offered.make) as name,
    element(offered.id, 'maker', ['Arbor', 'Belmont', 'Corda', 'Dornfeld', 'Elba', 'Fjord'])
        as product_brand,
    element(offered.id, 'colour', ['black', 'white', 'green', 'red', 'blue', 'grey', null])
        as colour,
    element(offered.id, 'size', ['S', 'M', 'L', null, null]) as size,
    round(offered.eur, 2)::decimal(18, 4) as price_eur,
    (round(offered.eur * brands.per_eur) - 0.01)::decimal(18, 4) as price
from offered
inner join brands on offered.brand_no = brands.brand_no;

-- One product in twenty has been taken off the list, with a successor of its own category. In
-- each of the last three days some products get a new price.
create table demo_catalog.products as
with listed as (
    select
        product_id(products.brand_no, products.product_no) as product_id,
        brands.brand_id,
        products.name,
        getvariable('until') - case when products.product_no > 300
            then 5 + pick(products.id, 'listed', 20)
            else 1200 + pick(products.id, 'listed', 600)
        end::integer + interval 8 hours as created_at,
        null::timestamp as updated_at,
        products.category_path,
        products.product_brand,
        products.colour,
        products.size,
        products.price,
        (products.price * (0.45 + 0.2 * u(products.id, 'cost')))::decimal(18, 2) as cost,
        case
            when u(products.id, 'sold out') < 0.04 and products.product_no <= 300 then 0
            else 5 + pick(products.id, 'stock', 400)
        end as stock,
        case
            when
                u(products.id, 'gone') < 0.05
                and products.category_no < 5
                and products.product_no <= 300
                then getvariable('until') - 20 - pick(products.id, 'gone on', 300)::integer
                + interval 9 hours
        end as discontinued_at,
        products.category_no = 5 as is_premium,
        products.category_path like 'Gifts%' as is_gift,
        case when products.price_eur >= 40 and products.category_path not like 'Gifts%'
            and products.category_path not like 'Beauty%' then 24
        end as warranty_months,
        case
            when products.category_path like 'Beauty%' then 4
            when products.category_path like 'Tools > Power%' then 60
            when products.category_path like 'Home Textiles%' and products.price_eur >= 20 then 24
            when products.price_eur >= 40 and products.category_path not like 'Gifts%' then 48
        end as service_life_months,
        products.brand_no,
        products.product_no,
        products.id
    from products
    inner join brands on products.brand_no = brands.brand_no
),

succeeded as (
    select
        * replace (
            case when discontinued_at is null then stock else 0 end as stock,
            discontinued_at as updated_at
        ),
        case when discontinued_at is not null then product_id(
            brand_no, case when product_no % 70 = 0 then product_no - 1 else product_no + 1 end
        ) end as replacement_product_id,
        -- Every seventh product of a category that lasts belongs to the one before it.
        case
            when
                service_life_months >= 48
                and product_no % 7 = 0
                and product_no % 70 > 0
                and product_no <= 300
                then product_id(brand_no, product_no - 1)
        end as accessory_of_product_id
    from listed
),

repriced as (
    select
        * replace (
            (price * 0.95)::decimal(18, 2) as price,
            getvariable('until') - pick(id, 'repriced on', 3)::integer + interval 4 hours
                as updated_at
        )
    from succeeded
    where u(id, 'repriced') < 0.05 and discontinued_at is null
)

select *, null::date as delivered_on from succeeded
union all
select *, updated_at::date as delivered_on from repriced
order by created_at, product_id, updated_at nulls first;
