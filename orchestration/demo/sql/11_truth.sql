-- What is known about the people; for tests only.

create table record_person as
select 'demo_shop' as source_system, 'accounts' as source_entity,
    account_id(n, account_no) as source_record_id, person_id(n) as person_id
from accounts
union all
select 'demo_tills', 'loyalty_cards', card_id(n), person_id(n)
from cards
union all
select 'demo_mail', 'contacts', contact_id(contact_no), person_id(n)
from contacts
union all
select 'demo_shop', 'orders', order_id(doc), person_id(n)
from documents
where not is_store
union all
select 'demo_tills', 'receipts', receipt_id(doc), person_id(n)
from documents
where has_card_shown
union all
select distinct 'demo_web', 'visitors', visitor_id, person_id(n)
from sessions
where
    n is not null
    and visitor_id not in (
        select visitor_id(household, 'household')
        from households
        union all
        select visitor_id(range, 'kiosk')
        from range(greatest(1, getvariable('persons') // 4000))
    );

create table person_labels as
select person_id(n) as person_id, persona as label
from persons
where persona is not null
union all
select person_id(n), 'store_only'
from buyers
where orders = 0
union all
select person_id(buyers.n), 'guest_only'
from buyers
inner join persons on buyers.n = persons.n
where buyers.orders > 0 and buyers.orders = buyers.guest_orders and not persons.has_account
union all
select person_id(n), 'two_accounts'
from accounts
where account_no = 1
union all
select person_id(n), 'household_device'
from households
union all
select person_id(n), 'typo_email'
from identifiers
where has_typo;
