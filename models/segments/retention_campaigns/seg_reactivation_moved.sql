{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer moved away from the usual store. Who has several reasons is in
    the segment of the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Stopped after a move',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Show the online shop and what it delivers'
}) }}

{{ reactivation('moved') }}
