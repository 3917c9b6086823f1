{#
    Grain: one row per planned campaign (seeds/segments/campaign_plan) and day of the next 90, the
    as-of day included, on which it runs.
    A campaign for an occasion runs each year from so many days before people buy for it, in the
    brand's country, to the last day on which they do. One with a weekday writes on each such day,
    every other once, on its first day. The audience is that of today: members of the segment with
    consent to marketing by the brand on the channel who are not held out. A cap of the group
    (seeds/contact_caps) breaks when the campaigns for one segment write more often than it allows.
#}
{{ config(materialized='table') }}

with campaign_plan as (

    select * from {{ ref('campaign_plan') }}

),

brands as (

    select * from {{ ref('brands') }}

),

occasion_days as (

    select * from {{ ref('occasion_days') }}

),

contact_caps as (

    select * from {{ ref('contact_caps') }}

),

consents as (

    select * from {{ ref('consents') }} where purpose = 'marketing' and is_granted

),

holdouts as (

    select * from {{ ref('holdouts') }} where is_global_holdout

),

days as (

    select cast(range as date) as calendar_on
    from range(
        cast({{ as_of() }} as timestamp), {{ as_of() }} + interval 90 day, interval 1 day
    )

),

runs as (

    select
        campaign_plan.*,
        coalesce(
            occasion_days.from_on - campaign_plan.days_before,
            campaign_plan.from_on,
            {{ as_of() }}
        ) as runs_from,
        coalesce(occasion_days.until_on, campaign_plan.until_on, {{ as_of() }} + 89)
            as runs_until
    from campaign_plan
    inner join brands on campaign_plan.brand_id = brands.brand_id
    left join occasion_days
        on
            campaign_plan.occasion = occasion_days.occasion
            and brands.country = occasion_days.country
    where campaign_plan.occasion is null or occasion_days.occasion is not null

),

campaign_days as (

    select
        days.calendar_on,
        runs.campaign,
        runs.title,
        runs.brand_id,
        runs.segment_id,
        runs.channel,
        runs.occasion,
        runs.weekday is not null or days.calendar_on = runs.runs_from as is_send_day
    from runs
    inner join days
        on
            days.calendar_on between runs.runs_from and runs.runs_until
            and isodow(days.calendar_on) = coalesce(runs.weekday, isodow(days.calendar_on))

),

segment_sizes as (

    select
        campaign_plan.campaign,
        count(*) as member_count,
        count(case when holdouts.customer_id is null then consents.customer_id end)
            as audience_count
    from campaign_plan
    inner join {{ ref('memberships') }} as memberships
        on campaign_plan.segment_id = memberships.segment_id
    left join consents
        on
            memberships.customer_id = consents.customer_id
            and campaign_plan.brand_id = consents.brand_id
            and campaign_plan.channel = consents.channel
    left join holdouts on memberships.customer_id = holdouts.customer_id
    group by campaign_plan.campaign

),

clashes as (

    select
        campaign_days.calendar_on,
        campaign_days.campaign,
        list(rivals.campaign order by rivals.campaign) as clashing_campaigns
    from campaign_days
    inner join campaign_days as rivals
        on
            campaign_days.calendar_on = rivals.calendar_on
            and campaign_days.segment_id = rivals.segment_id
            and campaign_days.campaign <> rivals.campaign
    group by campaign_days.calendar_on, campaign_days.campaign

),

sends_per_cap as (

    select
        campaign_days.calendar_on,
        campaign_days.campaign,
        contact_caps.cap
    from campaign_days
    inner join contact_caps
        on campaign_days.channel = coalesce(contact_caps.channel, campaign_days.channel)
    inner join campaign_days as sends
        on
            campaign_days.segment_id = sends.segment_id
            and coalesce(contact_caps.channel, sends.channel) = sends.channel
            and campaign_days.calendar_on >= sends.calendar_on
            and campaign_days.calendar_on < sends.calendar_on + contact_caps.cap_days
    where campaign_days.is_send_day and sends.is_send_day
    group by
        campaign_days.calendar_on,
        campaign_days.campaign,
        contact_caps.cap,
        contact_caps.max_contacts
    having count(*) > contact_caps.max_contacts

),

broken_caps as (

    select
        calendar_on,
        campaign,
        list(cap order by cap) as broken_caps
    from sends_per_cap
    group by calendar_on, campaign

),

final as (

    select
        campaign_days.calendar_on,
        campaign_days.campaign,
        campaign_days.title,
        campaign_days.brand_id,
        campaign_days.segment_id,
        campaign_days.channel,
        campaign_days.occasion,
        campaign_days.is_send_day,
        coalesce(segment_sizes.member_count, 0) as member_count,
        coalesce(segment_sizes.audience_count, 0) as audience_count,
        clashes.clashing_campaigns,
        broken_caps.broken_caps
    from campaign_days
    left join segment_sizes on campaign_days.campaign = segment_sizes.campaign
    left join clashes
        on
            campaign_days.calendar_on = clashes.calendar_on
            and campaign_days.campaign = clashes.campaign
    left join broken_caps
        on
            campaign_days.calendar_on = broken_caps.calendar_on
            and campaign_days.campaign = broken_caps.campaign

)

select * from final
