{#
    Who is linked is still one customer by the rules of identity. A failing row is a rule with the
    number of groups or customers that break it:
    - too much for a customer: a group holds more than max_holders allows, although none of its
      customers does alone.
    - kept apart, but linked: two records that seeds/identity_overrides keeps apart are of one
      group.
    - linked to nobody: a group bears the id of a customer who is not in it.
#}
{{ config(meta={'dagster': {'ref': {'name': 'linkage_groups'}}}) }}

with groups as (

    select * from {{ ref('linkage_groups') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }} where customer_id is not null

),

held as (

    select
        groups.customer_id_linked,
        groups.customer_id,
        identifiers.limited_as,
        identifiers.holder,
        rules.max_holders
    from groups
    inner join clusters on groups.customer_id = clusters.customer_id
    inner join {{ ref('identity_identifiers') }} as identifiers on clusters.node = identifiers.node
    inner join {{ ref('identity_rules') }} as rules on identifiers.id_type = rules.id_type
    where identifiers.limited_as is not null

),

crowded_alone as (

    select customer_id_linked
    from held
    group by customer_id_linked, customer_id, limited_as, max_holders
    having count(distinct holder) > max_holders

),

problems as (

    select 'too much for a customer' as problem
    from held
    anti join crowded_alone on held.customer_id_linked = crowded_alone.customer_id_linked
    group by held.customer_id_linked, held.limited_as, held.max_holders
    having count(distinct held.holder) > held.max_holders
    union all
    select 'kept apart, but linked' as problem
    from {{ ref('identity_decisions') }} as decisions
    inner join clusters as end_a on decisions.node_a = end_a.node
    inner join clusters as end_b on decisions.node_b = end_b.node
    inner join groups as group_a on end_a.customer_id = group_a.customer_id
    inner join groups as group_b on end_b.customer_id = group_b.customer_id
    where
        decisions.link = 'cannot'
        and group_a.customer_id_linked = group_b.customer_id_linked
    union all
    select 'linked to nobody' as problem
    from groups
    anti join groups as oldest
        on
            groups.customer_id_linked = oldest.customer_id
            and groups.customer_id_linked = oldest.customer_id_linked

)

select
    problem,
    count(*) as problem_count
from problems
group by problem
