{#
    Grain: one row per conducting identifier of a customer.
    A customer is a connected component of identifiers; the id is a keyed code of the founder,
    the component's lowest node. A merge keeps the older id, a split gives the newer part the id
    of its own founder back, and a rebuild from the same deliveries mints the same ids.
    A component of cookies alone is a visitor, not a customer.
#}
{{ config(pre_hook="{{ connected_components(ref('identity_edges')) }}") }}
-- depends_on: {{ ref('identity_edges') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }} where status = 'conducting'

),

labels as (

    select * from component_labels

),

founded as (

    select
        identifiers.node,
        identifiers.id_key,
        coalesce(labels.label, identifiers.node) as founder_node,
        bool_or(identifiers.id_type <> 'cookie') over (
            partition by coalesce(labels.label, identifiers.node)
        ) as is_person
    from identifiers
    left join labels on identifiers.node = labels.node

),

final as (

    select
        founded.node,
        founded.id_key,
        founded.founder_node,
        'c' || left({{ keyed_hash("'customer:' || founders.id_key") }}, 19) as customer_id
    from founded
    inner join identifiers as founders on founded.founder_node = founders.node
    where founded.is_person

)

select * from final
