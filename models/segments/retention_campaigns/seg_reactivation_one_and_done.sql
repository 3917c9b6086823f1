{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer bought once. Who has several reasons is in the segment of the
    first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Bought once',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Give a reason for the second purchase'
}) }}

{{ reactivation('one_and_done') }}
