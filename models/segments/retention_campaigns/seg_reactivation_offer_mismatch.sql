{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer searched and found nothing. Who has several reasons is in the
    segment of the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Stopped for want of an offer',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Show the range that the searches did not find'
}) }}

{{ reactivation('offer_mismatch') }}
