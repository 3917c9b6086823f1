{#
    Grain: one row per model, group of customers, horizon and bin of equal size, the lowest chance
    first: what was said and what came.
#}
{{ config(materialized='view') }}

with calibration_bins as (

    select * from {{ source('predictions', 'calibration_bins') }}

),

final as (

    select
        model_version,
        cutoff_on,
        horizon_days,
        group_name,
        bin_number,
        customer_count,
        predicted,
        actual
    from calibration_bins

)

select * from final
