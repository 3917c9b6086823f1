{#
    Grain: one row per member. Reactivation by reason: never bought, and the customer came by a
    click that was not meant. Who has several reasons is in the segment of the first alone
    (seeds/inactivity_reasons).
#}
{{ config(meta={
    'title': 'Came by accident',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Spare the advertising; ask once what was looked for'
}) }}

{{ reactivation('accidental_click') }}
