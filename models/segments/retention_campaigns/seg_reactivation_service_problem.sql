{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer a case ended badly or never ended. Who has several reasons is in
    the segment of the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Stopped after a service problem',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Apologise in person and settle the case first'
}) }}

{{ reactivation('service_problem') }}
