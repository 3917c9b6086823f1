{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer compares prices. Who has several reasons is in the segment of
    the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Stopped for the price',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Send a price guarantee or a limited offer'
}) }}

{{ reactivation('price') }}
