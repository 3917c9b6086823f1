{#
    Caps are counted by messages of the last 90 days, by the place of the one that has to leave the
    window. A failing row is a cap of another length, one without a length, or one of all
    customers that allows nothing: that is a matter of consent. It names the model that counts.
#}
{{ config(meta={'dagster': {'ref': {'name': 'contact_pressure'}}}) }}

-- depends_on: {{ ref('contact_pressure') }}
select
    cap,
    cap_days,
    max_contacts
from {{ ref('contact_caps') }}
where not coalesce(cap_days between 1 and 90 and max_contacts >= 1, false)
union all
select
    answer as cap,
    cap_days,
    max_contacts
from {{ ref('preference_answers') }}
where
    question = 'preferred_frequency'
    and not coalesce(cap_days between 1 and 90 and max_contacts >= 0, false)
