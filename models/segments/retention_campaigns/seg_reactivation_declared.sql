{#
    Grain: one row per member. Reactivation by reason: at risk, inactive or lost, and the first
    reason is that the customer said so to somebody of the staff. Who has several reasons is in
    the segment of the first alone (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Said that there is no interest',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': [],
    'suggested_action': 'Leave in peace; write only what was asked for'
}) }}

{{ reactivation('declared') }}
