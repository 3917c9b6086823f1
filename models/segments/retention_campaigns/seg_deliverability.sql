{#
    Grain: one row per member. Deliverability: the e-mail address is at a mailbox provider that
    lets fewer messages in than before: opens fall or bounces rise
    (marts.mailbox_provider_health). The provider comes from the domain of the address, which is
    not here. Entered when the customer was first known.
#}
{{ config(meta={
    'title': 'Deliverability by mailbox provider',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Send less to this provider, the readers first, until it lets mail in again'
}) }}

with customers as (

    {{ segment_base() }}

),

providers as (

    select * from {{ ref('mailbox_provider_health') }}

),

evidence as (

    select
        customers.customer_id,
        customers.first_seen_at,
        customers.mailbox_provider,
        coalesce(providers.sent_30d, 0) as provider_sent_30d,
        providers.open_rate_30d,
        providers.open_rate_prior_90d,
        providers.bounce_rate_30d,
        providers.bounce_rate_prior_90d,
        coalesce(
            providers.open_rate_30d
            < providers.open_rate_prior_90d
            * {{ segment_limit('deliverability', 'min_open_ratio') }}
            or providers.bounce_rate_30d
            >= providers.bounce_rate_prior_90d
            + {{ segment_limit('deliverability', 'min_bounce_rise') }},
            false
        ) as is_failing,
        customers.messages_90d
    from customers
    left join providers on customers.mailbox_provider = providers.mailbox_provider

),

final as (

    select
        customer_id,
        first_seen_at as entered_at,
        mailbox_provider,
        provider_sent_30d,
        open_rate_30d,
        open_rate_prior_90d,
        bounce_rate_30d,
        bounce_rate_prior_90d,
        is_failing,
        messages_90d
    from evidence
    where
        provider_sent_30d >= {{ segment_limit('deliverability', 'min_messages') }}
        and is_failing
        and messages_90d > 0

)

select * from final
