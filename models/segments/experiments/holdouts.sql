{#
    Grain: one row per customer who may be in a segment. The global holdout is the control arm of
    the experiment global_holdout; whoever sends or exports leaves it out. It follows from salt,
    share and customer_id alone and needs no memory. customer_id is that of the founder, so at a
    merge the older id decides, whatever the younger one drew: to hold out whoever has any id that
    is held out would fill the holdout with people of many ids, who are the busy ones.
#}
with customers as (

    {{ segment_base() }}

),

experiments as (

    select * from {{ ref('experiments') }}
    where
        experiment_id = 'global_holdout'
        and starts_on <= {{ as_of() }}
        and (ends_on is null or ends_on >= {{ as_of() }})

),

arms as (

    select * from {{ ref('experiment_arms') }} where is_control

),

holdout as (

    select
        max(experiments.salt) as salt,
        max(arms.share) as share
    from experiments
    inner join arms on experiments.experiment_id = arms.experiment_id

),

drawn as (

    select
        customers.customer_id,
        holdout.share,
        {{ bucket_of('holdout.salt', 'customers.customer_id') }} as bucket
    from customers
    cross join holdout

),

final as (

    select
        customer_id,
        coalesce(bucket < share * 10000, false) as is_global_holdout,
        bucket
    from drawn

)

select * from final
