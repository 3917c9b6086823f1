{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer looked for what was sold out. Who has several reasons is in the
    segment of the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Stopped at sold-out products',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Tell that the product, or one like it, is there again'
}) }}

{{ reactivation('stock_out') }}
