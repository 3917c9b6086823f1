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
select 'demo_service', 'cases', case_id, person_id(n)
from service_cases
union all
select 'demo_service', 'notes', note_id, person_id(n)
from service_notes
union all
select 'demo_service', 'registrations', registration_id, person_id(n)
from service_registrations
union all
select 'demo_service', 'reviews', review_id, person_id(n)
from service_reviews
union all
select 'demo_service', 'referrals', referral_id, person_id(n)
from service_referrals
union all
select 'demo_service', 'answers', answer_id, person_id(n)
from declared_answers
union all
select 'demo_service', 'attributes', attribute_id, person_id(n)
from declared_attributes
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
where has_typo
union all
select person_id(n), 'erasure_request'
from erasures
union all
-- All that they ever bought was for Christmas, in more than one year.
select person_id(n), 'christmas_only'
from purchases
group by n
having
    bool_and(month(done_at) = 12 and day(done_at) < 24 or month(done_at) = 11 and day(done_at) > 23)
    and count(distinct year(done_at)) > 1;

-- Orders that are presents, those that do not show it left out.
create table record_labels as
select 'demo_shop' as source_system, 'orders' as source_entity, order_id(doc) as source_record_id,
    'gift' as label
from documents
where is_gift and (is_gift_wrapped or has_gift_message or is_sent_to_friend);

-- Who buys presents only, all of which show it, and who bought twice within a year in more than
-- one brand. What was paid without a card is nobody's.
insert into person_labels
select person_id(n), 'gift_only'
from documents
where not is_cancelled and (not is_store or has_card_shown)
group by n
having
    count(*) > 1 and bool_and(is_gift and (is_gift_wrapped or has_gift_message or is_sent_to_friend))
union all
select person_id(n), 'strong_in_several'
from (
    select n, brand_no
    from documents
    where
        not is_cancelled
        and (not is_store or has_card_shown)
        and done_at::date > getvariable('until') - 365
    group by n, brand_no
    having count(*) > 1
)
group by n
having count(*) > 1;

-- Rows that come later than the day file of their time, and rows that come twice.
create table disorder as
with late as (
    select 'demo_shop/returns' as entity, returned_at as happened_at, delivered_on
    from demo_shop.returns
    union all
    select 'demo_tills/receipts', purchased_at, delivered_on
    from demo_tills.receipts
    union all
    select 'demo_mail/message_events', occurred_at, delivered_on
    from demo_mail.message_events
    union all
    select 'demo_mail/consent_events', occurred_at, delivered_on
    from demo_mail.consent_events
    union all
    select 'demo_privacy/consent_events', occurred_at, delivered_on
    from demo_privacy.consent_events
    union all
    select 'demo_web/web_events', occurred_at, delivered_on
    from demo_web.web_events
    union all
    select 'demo_service/notes', noted_at, delivered_on
    from demo_service.notes
    union all
    select 'demo_service/registrations', registered_at, delivered_on
    from demo_service.registrations
    union all
    select 'demo_service/reviews', reviewed_at, delivered_on
    from demo_service.reviews
    union all
    select 'demo_service/referrals', referred_at, delivered_on
    from demo_service.referrals
    union all
    select 'demo_service/answers', answered_at, delivered_on
    from demo_service.answers
    union all
    select 'demo_service/attributes', observed_at, delivered_on
    from demo_service.attributes
)

select 'late_rows' as kind, entity, count(*) as rows
from late
where happened_at < getvariable('until') - 2 and delivered_on is not null
group by entity
union all
select 'repeated_rows' as kind, 'demo_mail/message_events' as entity, count(*) as rows
from demo_mail.message_events
where occurred_at >= getvariable('until') - 2 and occurred_at < delivered_on
union all
select 'repeated_rows' as kind, 'demo_web/web_events' as entity, count(*) as rows
from demo_web.web_events
where occurred_at >= getvariable('until') - 2 and occurred_at < delivered_on
order by kind, entity;
