{#
    The record of the person whom a row names: the account, else the card, else the contact.
    NULL when it names none of them.
    Accounts and cards are of the systems that the seed says, contacts of the row's own system.
    Args: named, a relation with account_id, card_id and contact_id, joined with systems;
    own_record, the row's own record, which is the person's when only an e-mail or phone is
    known; none when the row is no record.
#}
{% macro person_record(named, own_record=none) -%}
    case
        when {{ named }}.account_id is not null
            then
                coalesce(systems.account_system, {{ named }}.source_system)
                || ':accounts:' || {{ named }}.account_id
        when {{ named }}.card_id is not null
            then
                coalesce(systems.card_system, {{ named }}.source_system)
                || ':loyalty_cards:' || {{ named }}.card_id
        when {{ named }}.contact_id is not null
            then {{ named }}.source_system || ':contacts:' || {{ named }}.contact_id
        {%- if own_record %}
        when coalesce({{ named }}.email, {{ named }}.phone) is not null then {{ own_record }}
        {%- endif %}
    end
{%- endmacro %}
