{#
    Grain: one row per brand and visitor of its sites in the last 90 days who is known to be one
    customer: what the site shows. Nobody's name and no customer_id goes out to the site.
    A visitor is known when every visit of the time is the same customer's: browsers that are
    shared, or that nobody logged in on, are not here. Neither is who has not agreed to profiling by
    the brand on any channel, or withdrew it on one, who is held out, or who asked to be
    forgotten: the site shows them what it shows everybody.
#}
{{ config(materialized='table') }}

with sessions as (

    select * from {{ ref('web_sessions') }}
    where brand_id is not null and started_at >= {{ as_of() }} - interval 89 day

),

customers as (

    {{ segment_base() }}

),

holdouts as (

    select * from {{ ref('holdouts') }} where is_global_holdout

),

profiling_consents as (

    select
        customer_id,
        brand_id
    from {{ ref('consents') }}
    where purpose = 'profiling'
    group by customer_id, brand_id
    having bool_and(is_granted)

),

newsletter_consents as (

    select * from {{ ref('consents') }}
    where purpose = 'marketing' and channel = 'email' and is_granted

),

preferences as (

    select * from {{ ref('customer_preferences') }}
    where dimension = 'category' and preference_rank <= 3

),

suggestions as (

    select * from {{ ref('product_suggestions') }}

),

product_sources as (

    select * from {{ ref('product_sources') }}

),

memberships as (

    select * from {{ ref('memberships') }}

),

site_variants as (

    select * from {{ ref('content_variants') }} where left(content_id, 5) = 'site_'

),

visitors as (

    select
        brand_id,
        visitor_id,
        max(customer_id) as customer_id,
        max(started_at) as last_visited_at
    from sessions
    group by brand_id, visitor_id
    having count(customer_id) = count(*) and min(customer_id) = max(customer_id)

),

shown_visitors as (

    select
        visitors.*,
        customers.lifecycle_stage
    from visitors
    inner join customers on visitors.customer_id = customers.customer_id
    inner join profiling_consents
        on
            visitors.customer_id = profiling_consents.customer_id
            and visitors.brand_id = profiling_consents.brand_id
    left join holdouts on visitors.customer_id = holdouts.customer_id
    where holdouts.customer_id is null

),

visiting_customers as (

    select customer_id
    from shown_visitors
    group by customer_id

),

categories as (

    select
        preferences.customer_id,
        list(preferences.value order by preferences.preference_rank) as categories
    from preferences
    semi join visiting_customers on preferences.customer_id = visiting_customers.customer_id
    group by preferences.customer_id

),

chosen_variants as (

    select
        visiting_customers.customer_id,
        site_variants.content_id,
        site_variants.text_key
    from visiting_customers
    cross join site_variants
    left join memberships
        on
            visiting_customers.customer_id = memberships.customer_id
            and site_variants.segment_id = memberships.segment_id
    where site_variants.segment_id is null or memberships.customer_id is not null
    qualify row_number() over (
        partition by visiting_customers.customer_id, site_variants.content_id
        order by site_variants.position
    ) = 1

),

texts as (

    select
        customer_id,
        list(text_key order by content_id) as text_keys
    from chosen_variants
    group by customer_id

),

first_suggestions as (

    select
        suggestions.customer_id,
        suggestions.brand_id,
        suggestions.product_source,
        suggestions.product_ids
    from suggestions
    inner join product_sources on suggestions.product_source = product_sources.product_source
    semi join visiting_customers on suggestions.customer_id = visiting_customers.customer_id
    qualify row_number() over (
        partition by suggestions.customer_id, suggestions.brand_id
        order by product_sources.position asc, product_sources.product_source asc
    ) = 1

),

final as (

    select
        shown_visitors.brand_id,
        shown_visitors.visitor_id,
        shown_visitors.last_visited_at,
        shown_visitors.lifecycle_stage,
        texts.text_keys,
        categories.categories,
        first_suggestions.product_source,
        first_suggestions.product_ids,
        newsletter_consents.customer_id is null as shows_newsletter_box
    from shown_visitors
    left join texts on shown_visitors.customer_id = texts.customer_id
    left join categories on shown_visitors.customer_id = categories.customer_id
    left join first_suggestions
        on
            shown_visitors.customer_id = first_suggestions.customer_id
            and shown_visitors.brand_id = first_suggestions.brand_id
    left join newsletter_consents
        on
            shown_visitors.customer_id = newsletter_consents.customer_id
            and shown_visitors.brand_id = newsletter_consents.brand_id

)

select * from final
