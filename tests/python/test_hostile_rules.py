"""Rules that mean harm, or come to it: each is refused with its reason, and disturbs nothing."""

import time

import duckdb
import pytest

from tests.python.rules import Result, compiled, refusal

GOOD = "order_count >= 3 and gender = 'female'"

HOSTILE = [
    # Other tables, statements, files.
    ("select 1", "'select' may not stand in a rule"),
    ("order_count > (select max(order_count) from marts.customers)", "may not stand in a rule"),
    ("exists (select 1 from pii.customers)", "may not stand in a rule"),
    ("customer_id in (select customer_id from pii.customers)", "'select' may not stand"),
    ("has_card union select * from pii.customers", "'union' may not stand in a rule"),
    ("has_card; drop table marts.customers", "';' may not stand in a rule"),
    ("has_card;", "';' may not stand in a rule"),
    ("true) or (1 = 1", "a parenthesis is closed that was not opened"),
    ("pii.customers.email = 'a'", "'.' may not stand in a rule"),
    ("from pii.customers", "'from' may not stand in a rule"),
    ("attach 'other.duckdb' as other", "'attach' may not stand in a rule"),
    ("copy customers to 'out.csv'", "'copy' may not stand in a rule"),
    ("pragma database_list", "'pragma' may not stand in a rule"),
    ("install httpfs", "'install' may not stand in a rule"),
    ("load httpfs", "'load' may not stand in a rule"),
    ("set memory_limit = '1TB'", "'set' may not stand in a rule"),
    ("call pragma_version()", "'call' may not stand in a rule"),
    ("create macro f(x) as x", "'create' may not stand in a rule"),
    ("read_csv('/etc/passwd') is not null", "there is no helper 'read_csv'"),
    ("read_text('/etc/passwd') like '%root%'", "there is no helper 'read_text'"),
    ("read_blob('/etc/passwd') is null", "there is no helper 'read_blob'"),
    ("glob('/*') is null", "may not stand in a rule"),
    ("'/etc/passwd' = '/etc/passwd'", "the rule asks nothing of the customer"),
    ("getenv('SEGMENT_OF_ONE_PEPPER') like 'a%'", "there is no helper 'getenv'"),
    ("current_setting('access_mode') = 'a'", "there is no helper 'current_setting'"),
    ("getvariable('a') = 'a'", "there is no helper 'getvariable'"),
    ("query('drop table x') is null", "there is no helper 'query'"),
    ("compile_segment_rules('[]', '{}') = '[]'", "there is no helper 'compile_segment_rules'"),
    # Comments, quotes, parameters.
    ("has_card -- and is_subscribed", "a comment may not stand in a rule"),
    ("has_card /* and */ or is_subscribed", "a comment may not stand in a rule"),
    ("/* has_card */", "a comment may not stand in a rule"),
    ("--", "a comment may not stand in a rule"),
    ("gender = 'female", "a text or name in quotes does not end"),
    ("gender = 'a' or 'b", "a text or name in quotes does not end"),
    ("gender = 'a'' or ''b", "a text or name in quotes does not end"),
    ('gender = "female"', "'female' stands in double quotes; a text has single ones"),
    ('"order_count" > 1', "stands in double quotes"),
    ('"a"") from x --" = 1', "stands in double quotes"),
    ("gender = $$female$$", "'female' may not stand in a rule"),
    ("gender = $tag$female$tag$", "may not stand in a rule"),
    ("gender = $1", "'$' may not stand in a rule"),
    ("gender = ?", "'?' may not stand in a rule"),
    ("gender = :gender", "':' may not stand in a rule"),
    ("gender = @gender", "'@' may not stand in a rule"),
    ("gender = e'\\x41'", "may not stand in a rule"),
    ("gender = 'a' 'b'", "an operator or a comma is missing before 'b'"),
    ("{{ ref('customers') }}", "'{' may not stand in a rule"),
    ("{% set x = 1 %}", "'{%' may not stand in a rule"),
    # What SQL knows and a rule does not.
    ("cast(gender as int) = 1", "there is no helper 'cast'"),
    ("try_cast(gender as int) = 1", "there is no helper 'try_cast'"),
    ("gender::int = 1", "'::' may not stand in a rule"),
    ("date '2026-01-01' < last_order_at", "'date' may not stand in a rule"),
    ("last_order_at > today() - interval 30 day", "'interval' may not stand in a rule"),
    ("case when has_card then true end", "'case' may not stand in a rule"),
    ("if(has_card, true, false)", "there is no helper 'if'"),
    ("row_number() over () = 1", "there is no helper 'row_number'"),
    ("sum(order_count) > 1", "there is no helper 'sum'"),
    ("count(*) > 1", "there is no helper 'count'"),
    ("list_transform(channels_to_skip, x -> x) is null", "there is no helper 'list_transform'"),
    ("empty(x -> x)", "'->' may not stand in a rule"),
    ("empty(lambda x: x)", "':' may not stand in a rule"),
    ("channels_to_skip[1] = 'email'", "'[' may not stand in a rule"),
    ("{'a': 1}.a = 1", "'{' may not stand in a rule"),
    ("top_reasons.a = 1", "'.' may not stand in a rule"),
    ("gender || 'a' = 'b'", "'||' may not stand in a rule"),
    ("gender ~ '(a+)+b'", "'~' may not stand in a rule"),
    ("gender similar to 'a'", "may not stand in a rule"),
    ("gender collate nocase = 'a'", "'collate' may not stand in a rule"),
    ("gender is distinct from 'a'", "'distinct' may not stand in a rule"),
    ("order_count between symmetric 3 and 1", "an operator or a comma is missing before '3'"),
    ("gender like 'a' escape 'b'", "'escape' may not stand in a rule"),
    ("order_count % 2 = 1", "'%' may not stand in a rule"),
    ("order_count ** 99 > 1", "'**' may not stand in a rule"),
    ("order_count in order_count", "after in stand values in parentheses"),
    ("(order_count, 1) = (1, 1)", "may not stand in a rule"),
    ("* = 1", "may not stand in a rule"),
    ("random() > 0.5", "there is no helper 'random'"),
    ("now() > last_order_at", "there is no helper 'now'"),
    ("current_date > last_order_at", "'current_date' may not stand in a rule"),
    ("uuid() = 'a'", "'uuid' may not stand in a rule"),
    ("sleep_ms(100000) is null", "there is no helper 'sleep_ms'"),
    ("repeat('a', 1000000000) = gender", "there is no helper 'repeat'"),
    ("range(1000000000) is null", "'range' may not stand in a rule"),
    ("rowid = 1", "there is no column rowid"),
    ("segment_ids is null", "there is no column segment_ids"),
    ("m_35958d606cc0 > 1", "there is no column m_35958d606cc0"),
    ("rule_today() > last_order_at", "there is no helper 'rule_today'"),
    # Numbers, days and patterns that no build should stumble over.
    (f"order_count = {'9' * 300}", "has more than 25 characters"),
    ("net_revenue > 1e999", "the number '1e999' is too large"),
    ("order_count > 1e99999999999999999999", "'1e99999999999999999999' is no number"),
    ("order_count > 0x7fffffffffffffff", "an operator or a comma is missing before"),
    ("last_order_at > days_ago(999999999)", "days_ago takes 0 to 36500"),
    ("last_order_at > days_ago(1e300)", "days_ago takes 0 to 36500"),
    ("in_year(last_order_at, 999999)", "in_year takes -1200 to 1200"),
    ("anniversary_within(last_order_at, 400, 400)", "takes 0 to 180"),
    ("times_bought(days = 99999999999) > 1", "times_bought days takes 1 to 36500"),
    ("times_bought(until = '9999-12-31') > 1", "takes a day like '2026-06-30'"),
    ("matches(gender, '(')", "the regular expression '(' fails: missing )"),
    ("matches(gender, '[z-a]')", "the regular expression '[z-a]' fails"),
    ("matches(gender, 'a{1000}{1000}{1000}')", "fails: bad repetition operator"),
    ("matches(gender, '(?=a)')", "the regular expression '(?=a)' fails"),
    ("matches(gender, '\\1')", "fails"),
    (f"matches(gender, '{'a' * 201}')", "a regular expression may have 200 characters"),
    ("matches(gender, lower(gender))", "matches takes a text in quotes"),
    # Letters that are not what they seem.
    ("\0", "the character U+0000 may not stand in a rule"),
    ("has_card\0; drop table x", "the character U+0000 may not stand in a rule"),
    ("gender = 'a\0'", "the character U+0000 may not stand in a rule"),
    ("gender = 'a\u202eb'", "U+202E (RIGHT-TO-LEFT OVERRIDE) may not stand in a rule"),
    ("has\u200b_card", "U+200B (ZERO WIDTH SPACE) may not stand in a rule"),
    ("gender = '\ud800'", "the character U+D800 may not stand in a rule"),
    ("\u043erder_count > 1", "(CYRILLIC SMALL LETTER O) is no letter of a name"),
    ("gender \uff1d 'a'", "(FULLWIDTH EQUALS SIGN) is no letter of a name"),
    ("gender = \u2019female\u2019", "(RIGHT SINGLE QUOTATION MARK) is no letter of a name"),
    ("order_count > \u0663", "(ARABIC-INDIC DIGIT THREE) is no letter of a name"),
    # Size and depth.
    ("", "the rule is empty"),
    (" \n\t ", "the rule is empty"),
    ("a" * 1_000_000, "the rule has 1,000,000 characters; 4,000 are allowed"),
    ("(" * 1_000_000, "the rule has 1,000,000 characters"),
    ("(" * 10_000 + "has_card" + ")" * 10_000, "the rule has 20,008 characters"),
    ("(" * 1_500 + "has_card" + ")" * 1_500, "the rule has 3,001 words; 1,000 are allowed"),
    ("(" * 400 + "has_card" + ")" * 400, "the rule is nested too deeply"),
    ("not " * 900 + "has_card", "the rule is nested too deeply"),
    ("- " * 900 + "order_count > 1", "the rule is nested too deeply"),
    ("not has_card = " * 200 + "true", "the rule is nested too deeply"),
    ("1 + " * 400 + "order_count > 1", "the rule is nested too deeply"),
    ("lower(" * 300 + "gender" + ")" * 300 + " = 'a'", "the rule is nested too deeply"),
    ("1=1 or " * 500 + "1=1", "the rule has 2,003 words"),
    ("has_card)", "a parenthesis is closed that was not opened"),
    ("(has_card", "a parenthesis is not closed"),
    ("has_card and", "something is missing after 'and'"),
    ("and has_card", "the rule cannot be read"),
    ("order_count > = 1", "the rule cannot be read"),
    ("()", "may not stand in a rule"),
    ("order_count = ()", "may not stand in a rule"),
]


def test_there_are_many() -> None:
    assert len(HOSTILE) >= 60


@pytest.fixture(scope="module")
def together() -> tuple[list[Result], float]:
    """All of them at once, a good rule after each."""
    began = time.perf_counter()
    results = compiled(*(each for rule, _ in HOSTILE for each in (rule, GOOD)))
    return results, time.perf_counter() - began


@pytest.mark.parametrize(("rule", "reason"), HOSTILE)
def test_a_hostile_rule_is_refused_with_its_reason(rule: str, reason: str) -> None:
    told = refusal(rule)
    assert reason.lower() in told.lower()
    assert len(told) < 300
    assert told.isprintable()


def test_they_disturb_no_good_rule(together: tuple[list[Result], float]) -> None:
    results, _ = together
    assert {result["status"] for result in results[::2]} == {"refused"}
    [alone] = compiled(GOOD)
    kept = ("status", "reason", "columns", "measures", "segments", "expression", "conditions")
    for result in results[1::2]:
        assert [result[key] for key in kept] == [alone[key] for key in kept]


def test_they_take_no_time(together: tuple[list[Result], float]) -> None:
    assert together[1] < 10


@pytest.mark.parametrize(
    "rule",
    [
        "gender = 'female''; drop table x; --'",
        "home_city = 'Łódź'",
        "has_card\u00a0and is_subscribed",
        "home_city = '$$ {{ ref() }} /* */ \\ % _ \"'",
        "home_city like '%''%'",
        "times_bought(coupon_code = '{0}'';--') > 0",
        "matches(home_city, '^[A-Z]''.*\\$$')",
        "member_of('new_buyer') and home_city != ''')'",
    ],
)
def test_texts_stay_texts(rule: str) -> None:
    [result, good] = compiled(rule, GOOD)
    assert (result["status"], good["status"]) == ("in_force", "in_force")


def test_a_pattern_that_would_never_end_ends() -> None:
    """LIKE tries all ways to divide a text among signs; a regular expression does not."""
    [result] = compiled("home_city like '%a_%a_%a_%a_%a_%a_%b'")
    with duckdb.connect() as connection:
        began = time.perf_counter()
        row = connection.execute(
            f"select {result['expression']} from (select repeat('a', 100000) as home_city)"
        ).fetchone()
    assert row == (False,)
    assert time.perf_counter() - began < 5
