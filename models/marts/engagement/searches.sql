{#
    Grain: one row per search on a site; what was searched for stays in the entities. product_id is
    the product whose name was typed: of several that are called the same, one that is sold today
    before one that is not, then the lowest key.
#}
{{ config(materialized='view') }}

with searches as (

    select * from {{ ref('entity_searches') }}

),

products as (

    select * from {{ ref('entity_products') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

cookies as (

    select * from {{ ref('identity_cookies') }}

),

names as (

    select
        {{ plain_text('name') }} as product_name,
        brand_id,
        arg_min(
            product_key, case when discontinued_at is null then '0' else '1' end || product_key
        ) as product_key
    from products
    where name is not null
    group by {{ plain_text('name') }}, brand_id

),

final as (

    select
        searches.search_key as search_id,
        coalesce(records.customer_id, cookies.customer_id) as customer_id,
        searches.brand_id,
        searches.searched_at,
        searches.result_count,
        names.product_key as product_id,
        coalesce(products.discontinued_at < searches.searched_at, false) as is_discontinued,
        case
            when products.discontinued_at < searches.searched_at
                then products.source_system || ':' || products.replacement_product_id
        end as replacement_product_id,
        greatest(searches.load_id, records.load_id, cookies.load_id) as load_id
    from searches
    left join records on searches.record_key = records.record_key
    left join cookies on searches.cookie = cookies.cookie
    left join names
        on searches.brand_id = names.brand_id and searches.search_term = names.product_name
    left join products on names.product_key = products.product_key

)

select * from final
