{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer bought presents only. Who has several reasons is in the segment
    of the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Buys presents only',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Write before the next occasion, not between them'
}) }}

{{ reactivation('gift_only') }}
