-- What the customer service, the sales force and outside systems know: cases, notes, registered
-- products, reviews, referrals, answers and attributes. Those of the planted are planted.

-- A moment in working hours between a person's first trace and the end.
create macro time_since(id, salt, since) as to_utc(
    (since + to_seconds((u(id, salt) * epoch(the_end() - since))::bigint))::date
    + to_seconds(store_clock(id, salt))
);

-- The first trace that a person has left.
create table traces as
select
    persons.n,
    persons.brand_no,
    persons.is_clean,
    accounts.created_at as account_created_at,
    cards.issued_at as card_issued_at,
    least(accounts.created_at, cards.issued_at, buyers.first_at, contacts.created_at) as since
from persons
left join accounts on persons.n = accounts.n and accounts.account_no = 0
left join cards on persons.n = cards.n
left join buyers on persons.n = buyers.n
left join contacts on persons.n * 4 = contacts.contact_no
where since is not null;

-- The last purchases of those who are planted here, when there was time for what came after.
create table last_purchases as
select n, persona, arg_max(doc, done_at) as doc, max(done_at) as done_at
from documents
where persona in ('service_problem', 'declared_leaver')
group by n, persona
having max(done_at) < the_end() - interval 8 days;

-- About four in a hundred orders, few receipts, and about nothing that was bought.
create table service_cases as
with asked as (
    select
        'K-' || documents.doc as case_id,
        documents.n,
        documents.brand_no,
        documents.doc,
        documents.is_store,
        documents.is_clean,
        documents.done_at + to_seconds(
            86400 * (1 + pick(documents.doc, 'asks after', 20))
            + 3600 * pick(documents.doc, 'asks at', 4)
        ) as opened_at
    from documents
    where
        not documents.is_clean
        and u(documents.doc, 'case') < case when documents.is_store then 0.01 else 0.04 end
    union all
    select
        'K-' || last_purchases.doc as case_id,
        documents.n,
        documents.brand_no,
        documents.doc,
        documents.is_store,
        true as is_clean,
        last_purchases.done_at + interval 2 days as opened_at
    from last_purchases
    inner join documents on last_purchases.doc = documents.doc
    where last_purchases.persona = 'service_problem'
    union all
    select
        'K-Q' || n as case_id,
        n,
        brand_no,
        null as doc,
        false as is_store,
        is_clean,
        time_since(n, 'asks', since) as opened_at
    from traces
    where not is_clean and u(n, 'question') < 0.02
),

wanted as (
    select
        *,
        case
            when is_clean then 'complaint'
            when doc is null then 'question'
            else element(case_id, 'kind', [
                'question', 'question', 'question', 'complaint', 'complaint', 'complaint',
                'return', 'return', 'warranty', 'replacement'
            ])
        end as kind,
        opened_at + case when is_clean
            then interval 1 day
            else to_seconds(3600 + floor(250000 * wait(case_id, 'solved'))::bigint)
        end as would_close_at
    from asked
    where opened_at <= the_end()
)

select
    *,
    case when would_close_at <= the_end() and (is_clean or u(case_id, 'solved') < 0.95)
        then would_close_at
    end as closed_at,
    case
        when is_clean then 'rejected'
        when kind = 'question' then 'answered'
        when kind = 'return' then 'refunded'
        when kind = 'replacement' then 'replaced'
        when kind = 'warranty'
            then element(case_id, 'resolution', ['repaired', 'replaced', 'rejected'])
        else element(case_id, 'resolution', ['answered', 'refunded', 'refunded', 'rejected'])
    end as resolution,
    case
        when is_clean then 1
        when u(case_id, 'tells') < 0.5 then 5 - floor(5 * power(u(case_id, 'mark'), 2))
    end::integer as satisfaction
from wanted;

create table service_notes as
select
    'N-' || n as note_id,
    n,
    brand_no,
    is_clean,
    time_since(n, 'noted', since) as noted_at,
    element(n, 'department', ['sales', 'call_centre', 'store', 'marketing']) as department,
    element(n, 'action', ['called', 'e_mailed', 'offered', 'advised', 'visited', 'other'])
        as action,
    element(n, 'effect', [
        'reached', 'not_reached', 'interested', 'not_interested', 'sold', 'none',
        case when u(n, 'has enough') < 0.5 then 'do_not_contact' else 'none' end
    ]) as effect,
    null as case_id,
    element(n, 'words', ['Asked about delivery.', 'Wants to think it over.', null]) as text
from traces
where not is_clean and u(n, 'note') < 0.02
union all
select
    'N-' || case_id as note_id,
    n,
    brand_no,
    is_clean,
    opened_at + interval 20 minutes as noted_at,
    'service' as department,
    case when kind = 'complaint' then 'complained_about' else 'called' end as action,
    element(case_id, 'effect', ['reached', 'reached', 'not_reached']) as effect,
    case_id,
    'Called about the case.' as text
from service_cases
where not is_clean and opened_at < the_end() - interval 1 hour and u(case_id, 'noted') < 0.1
union all
select
    'N-' || last_purchases.n as note_id,
    persons.n,
    persons.brand_no,
    true as is_clean,
    last_purchases.done_at + interval 7 days as noted_at,
    'call_centre' as department,
    'called' as action,
    'not_interested' as effect,
    null as case_id,
    'Has moved abroad.' as text
from last_purchases
inner join persons on last_purchases.n = persons.n
where last_purchases.persona = 'declared_leaver';

-- Dear goods, those included that were paid in a store without a card.
create table service_registrations as
select
    'G-' || documents.doc || '-' || lines.line_no as registration_id,
    documents.n,
    documents.brand_no,
    documents.doc,
    documents.is_store,
    documents.is_clean,
    lines.product_id,
    documents.done_at::date as purchased_on,
    documents.done_at + to_seconds(
        86400 * (1 + pick(documents.doc, 'unpacked after', 20))
        + 3600 * pick(documents.doc, 'unpacked at', 3)
    ) as registered_at
from document_lines as lines
inner join documents on lines.doc = documents.doc
where
    not documents.is_clean
    and not documents.is_cancelled
    and lines.quantity > 0
    and lines.gross_eur / lines.quantity > 60
    and u(documents.doc * 16 + lines.line_no, 'registers') < 0.25
    and registered_at <= the_end();

create table service_reviews as
select
    'V-' || documents.doc as review_id,
    documents.n,
    documents.brand_no,
    documents.doc,
    documents.is_store,
    documents.is_clean,
    lines.product_id,
    u(documents.doc, 'posts') < 0.15 as is_post,
    5 - floor(5 * power(u(documents.doc, 'stars'), 2.5))::integer as rating,
    documents.done_at + to_seconds(
        86400 * (3 + pick(documents.doc, 'reviews after', 28))
        + 3600 * pick(documents.doc, 'reviews at', 3)
    ) as reviewed_at
from documents
inner join document_lines as lines on documents.doc = lines.doc and lines.line_no = 1
where
    not documents.is_clean
    and not documents.is_cancelled
    and u(documents.doc, 'reviews') < case when documents.is_store then 0.01 else 0.06 end
    and reviewed_at <= the_end();

-- One in a hundred recommends; half of the friends come and buy.
create table service_referrals as
with friends as (
    select
        traces.n,
        traces.account_created_at,
        arg_min(documents.doc, documents.done_at) as first_doc,
        row_number() over (order by u(traces.n, 'is a friend'), traces.n) as place
    from traces
    inner join documents on traces.n = documents.n and documents.account_no = 0
    where not traces.is_clean and traces.account_created_at > getvariable('until') - 700
    group by traces.n, traces.account_created_at
),

recommending as (
    select
        *,
        row_number() over (order by u(n, 'recommends'), n) as place
    from traces
    where
        not is_clean
        and account_created_at < getvariable('until') - 720
        and u(n, 'recommends') < 0.025
)

select
    'RF-' || recommending.n as referral_id,
    recommending.n,
    recommending.brand_no,
    recommending.is_clean,
    u(recommending.n, 'succeeds') < 0.5 as has_come,
    friends.n as friend_n,
    friends.first_doc,
    friends.account_created_at - to_seconds(3600 * (2 + pick(recommending.n, 'ahead', 200)))
        as referred_at
from recommending
inner join friends on recommending.place = friends.place;

create table declared_answers as
with asked as (
    select
        traces.n,
        traces.brand_no,
        traces.is_clean,
        u(traces.n, 'likes quizzes') < 0.5 as is_quiz,
        time_since(traces.n, 'answers', traces.account_created_at) as started_at
    from traces
    where
        not traces.is_clean
        and traces.account_created_at is not null
        and u(traces.n, 'answers questions') < 0.12
),

questions as (
    select
        *,
        unnest(case when is_quiz
            then [
                'favourite_category', 'favourite_colour', 'lifestyle', 'interests',
                'household_size'
            ]
            else [
                'preferred_channel', 'preferred_frequency', 'topics', 'gender', 'birthday',
                'city', 'phone', 'pause_until'
            ]
        end) as question
    from asked
),

answered as (
    select
        questions.*,
        identifiers.gender,
        identifiers.birth_date,
        identifiers.city,
        identifiers.phone,
        wares.category_path,
        questions.n || '-' || questions.question as draw
    from questions
    inner join identifiers on questions.n = identifiers.n
    -- What people say that they like is what they buy.
    inner join wares
        on questions.brand_no = wares.brand_no
        and 1 + pick(questions.n, 'liked', 4) = wares.category_no
    where u(draw, 'skips') < case when questions.question = 'pause_until' then 0.06 else 0.7 end
)

select
    'Q-' || draw as answer_id,
    n,
    brand_no,
    is_clean,
    started_at + to_seconds(10 + pick(draw, 'thinks', 240)) as answered_at,
    question,
    case question
        when 'favourite_category' then category_path
        when 'favourite_colour' then element(n, 'colour', ['black', 'white', 'green', 'blue'])
        when 'lifestyle' then element(n, 'lifestyle', ['active', 'family', 'homely', 'city'])
        when 'interests' then element(n, 'interest', ['gardening', 'cooking', 'sport', 'reading'])
        when 'household_size' then (1 + pick(n, 'household', 5))::varchar
        when 'preferred_channel' then element(n, 'channel', ['email', 'email', 'sms', 'phone'])
        when 'preferred_frequency' then element(n, 'often', ['weekly', 'monthly', 'quarterly'])
        when 'topics' then element(n, 'topic', ['offers', 'new_arrivals', 'advice'])
        when 'gender' then gender
        when 'birthday' then birth_date::varchar
        when 'city' then city
        when 'phone' then phone
        else (started_at::date + 30 + pick(n, 'pause', 150)::integer)::varchar
    end as answer,
    case when is_quiz then 'quiz' else 'preference_centre' end as form
from answered
where answered_at <= the_end()
union all
select
    'Q-' || last_purchases.n || '-lifestyle' as answer_id,
    persons.n,
    persons.brand_no,
    true as is_clean,
    last_purchases.done_at + interval 7 days as answered_at,
    'lifestyle' as question,
    'moved abroad' as answer,
    'call' as form
from last_purchases
inner join persons on last_purchases.n = persons.n
where last_purchases.persona = 'declared_leaver';

-- Found out once or twice by systems outside.
create table declared_attributes as
with observed as (
    select
        traces.n,
        traces.brand_no,
        traces.is_clean,
        traces.since,
        attributes.attribute,
        unnest(range(1 + (u(traces.n, attributes.attribute || ' again') < 0.3)::integer)) as round
    from traces
    cross join (
        values ('loyalty_tier', 0.10), ('newsletter_segment', 0.08), ('credit_rating', 0.03)
    ) as attributes (attribute, share)
    where not traces.is_clean and u(traces.n, attributes.attribute) < attributes.share
),

drawn as (
    select *, n || '-' || attribute || '-' || round as draw
    from observed
)

select
    'X-' || draw as attribute_id,
    n,
    brand_no,
    is_clean,
    time_since(draw, 'observed', since) as observed_at,
    attribute,
    case attribute
        when 'loyalty_tier' then element(draw, 'tier', ['bronze', 'silver', 'gold'])
        when 'newsletter_segment' then element(draw, 'segment', ['family', 'bargain', 'garden'])
        else element(draw, 'rating', ['A', 'B', 'C'])
    end as value,
    case when attribute = 'loyalty_tier' then make_date(year(observed_at), 12, 31) end
        as valid_until
from drawn;

-- How the persons are known in each row: many by their account, some by card, e-mail or phone,
-- few not at all. Who answers questions says once who it is, in the preference centre by logging
-- in. The planted are always known.
create table named_persons as
with rows as (
    select case_id as row_id, case_id as said_in, n, opened_at as done_at, is_clean as is_sure
    from service_cases
    union all
    select note_id, note_id, n, noted_at, is_clean
    from service_notes
    union all
    select registration_id, registration_id, n, registered_at, is_clean
    from service_registrations
    union all
    select review_id, review_id, n, reviewed_at, is_clean
    from service_reviews
    union all
    select referral_id, referral_id, n, referred_at, is_clean
    from service_referrals
    union all
    select answer_id, 'Q-' || n, n, answered_at, is_clean or form = 'preference_centre'
    from declared_answers
    union all
    select attribute_id, attribute_id, n, observed_at, is_clean
    from declared_attributes
),

drawn as (
    select
        rows.*,
        u(rows.said_in, 'known by') as way,
        traces.is_clean,
        traces.account_created_at < rows.done_at as has_account,
        traces.card_issued_at < rows.done_at as has_card
    from rows
    inner join traces on rows.n = traces.n
)

select
    drawn.row_id,
    drawn.n,
    case when drawn.has_account and (drawn.is_sure or drawn.way < 0.5)
        then account_id(drawn.n, 0)
    end as account_id,
    case when drawn.has_card and (drawn.is_clean or drawn.way between 0.4 and 0.65)
        then card_id(drawn.n)
    end as card_id,
    null::varchar as contact_id,
    case
        when drawn.is_clean then identifiers.email
        when drawn.way < 0.8
            then typed_email(identifiers.email, drawn.said_in, 'email to the service')
    end as email,
    case
        when drawn.is_clean then identifiers.phone
        when drawn.way between 0.7 and 0.97 then typed_phone(
            identifiers.phone, identifiers.calling_code, identifiers.is_native, drawn.said_in,
            'phone to the service'
        )
    end as phone
from drawn
inner join identifiers on drawn.n = identifiers.n;

-- A case is delivered when it is opened and again when it is closed.
create table demo_service.cases as
with details as (
    select
        cases.*,
        brands.brand_id,
        case when not cases.is_store then order_id(cases.doc) end as order_id,
        -- Half of those who bought in a store have lost the receipt.
        case when cases.is_store and (cases.is_clean or u(cases.case_id, 'receipt') < 0.5)
            then receipt_id(cases.doc)
        end as receipt_id,
        lines.product_id,
        element(cases.case_id, 'channel', ['email', 'phone', 'chat', 'store', 'social', 'form'])
            as channel,
        case when cases.kind = 'question'
            then element(cases.case_id, 'topic', ['delivery', 'invoice', 'assembly', null])
            else element(cases.case_id, 'topic', ['delivery', 'quality', 'size'])
        end as topic,
        element(cases.case_id, 'priority', ['low', 'normal', 'normal', 'high']) as priority
    from service_cases as cases
    inner join brands on cases.brand_no = brands.brand_no
    left join document_lines as lines on cases.doc = lines.doc and lines.line_no = 1
),

versions as (
    select
        * replace (
            null::timestamp as closed_at, null as resolution, null::integer as satisfaction
        ),
        null::timestamp as updated_at,
        case when u(case_id, 'waits') < 0.3 then 'waiting' else 'open' end as status,
        day_file(opened_at) as delivered_on
    from details
    union all
    select
        *,
        closed_at as updated_at,
        'closed' as status,
        day_file(closed_at) as delivered_on
    from details
    where closed_at is not null
)

select versions.*, named.* exclude (row_id, n)
from versions
inner join named_persons as named on versions.case_id = named.row_id
order by versions.opened_at, versions.case_id, versions.updated_at nulls first;

create table demo_service.notes as
select
    notes.*,
    brands.brand_id,
    named.* exclude (row_id, n),
    'EMP-' || (10 + pick(notes.note_id, 'author', 40)) as author,
    late_file(notes.noted_at, notes.note_id, notes.is_clean) as delivered_on
from service_notes as notes
inner join brands on notes.brand_no = brands.brand_no
inner join named_persons as named on notes.note_id = named.row_id
order by notes.noted_at, notes.note_id;

create table demo_service.registrations as
select
    registrations.*,
    brands.brand_id,
    named.* exclude (row_id, n),
    null::timestamp as updated_at,
    'SN-' || upper(md5(registrations.registration_id)[1:10]) as serial_no,
    case when u(registrations.registration_id, 'warranty') < 0.15
        then (registrations.purchased_on + interval 3 years)::date
    end as warranty_until,
    case when not registrations.is_store and u(registrations.registration_id, 'order') < 0.8
        then order_id(registrations.doc)
    end as order_id,
    late_file(
        registrations.registered_at, registrations.registration_id, registrations.is_clean
    ) as delivered_on
from service_registrations as registrations
inner join brands on registrations.brand_no = brands.brand_no
inner join named_persons as named on registrations.registration_id = named.row_id
order by registrations.registered_at, registrations.registration_id;

create table demo_service.reviews as
select
    reviews.* exclude (rating),
    brands.brand_id,
    named.* exclude (row_id, n),
    case when reviews.is_post then 'social_post' else 'review' end as kind,
    case when reviews.is_post
        then element(reviews.review_id, 'network', ['facebook', 'instagram'])
        else 'shop'
    end as platform,
    case when not reviews.is_store and not reviews.is_post then order_id(reviews.doc) end
        as order_id,
    case when not reviews.is_post then reviews.rating end as rating,
    element(reviews.review_id, 'words', ['As described.', 'Would buy again.', null]) as text,
    late_file(reviews.reviewed_at, reviews.review_id, reviews.is_clean) as delivered_on
from service_reviews as reviews
inner join brands on reviews.brand_no = brands.brand_no
inner join named_persons as named on reviews.review_id = named.row_id
order by reviews.reviewed_at, reviews.review_id;

create table demo_service.referrals as
select
    referrals.*,
    brands.brand_id,
    named.* exclude (row_id, n),
    case when referrals.has_come
        then friends.email
        else 'friend.' || referrals.n || '@' || split_part(friends.email, '@', 2)
    end as friend_email,
    case when referrals.has_come then account_id(referrals.friend_n, 0) end as friend_account_id,
    case when referrals.has_come then order_id(referrals.first_doc) end as order_id,
    late_file(referrals.referred_at, referrals.referral_id, referrals.is_clean) as delivered_on
from service_referrals as referrals
inner join brands on referrals.brand_no = brands.brand_no
inner join identifiers as friends on referrals.friend_n = friends.n
inner join named_persons as named on referrals.referral_id = named.row_id
order by referrals.referred_at, referrals.referral_id;

create table demo_service.answers as
select
    answers.*,
    brands.brand_id,
    named.* exclude (row_id, n),
    '2025-05' as text_version,
    late_file(answers.answered_at, answers.answer_id, answers.is_clean) as delivered_on
from declared_answers as answers
inner join brands on answers.brand_no = brands.brand_no
inner join named_persons as named on answers.answer_id = named.row_id
order by answers.answered_at, answers.answer_id;

create table demo_service.attributes as
select
    attributes.*,
    brands.brand_id,
    named.* exclude (row_id, n),
    late_file(attributes.observed_at, attributes.attribute_id, attributes.is_clean)
        as delivered_on
from declared_attributes as attributes
inner join brands on attributes.brand_no = brands.brand_no
inner join named_persons as named on attributes.attribute_id = named.row_id
order by attributes.observed_at, attributes.attribute_id;
