"""Why two records are one customer, or two, in words that hold no personal data."""

import json
from itertools import pairwise

import duckdb
import pytest

from orchestration.paths import Paths
from orchestration.reports.explain import UnknownNameError, explain


def ask(demo: Paths, sql: str) -> list[tuple[str, ...]]:
    with duckdb.connect(str(demo.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_way_between_two_records_goes_over_what_they_share(demo: Paths) -> None:
    """Every step names a record, and an identifier that the next record holds as well."""
    [(left, right)] = ask(
        demo,
        """
        select accounts.record_key, cards.record_key
        from identity.records as accounts
        inner join identity.records as cards on accounts.customer_id = cards.customer_id
        where
            accounts.source_entity = 'accounts'
            and cards.source_entity = 'loyalty_cards'
            and not exists (
                select 1
                from identity.explain as here
                inner join identity.explain as there on here.node = there.node
                where here.record_key = accounts.record_key and there.record_key = cards.record_key
            )
        order by all
        limit 1
        """,
    )
    first, *steps = explain(demo.warehouse, [left, right]).splitlines()
    assert first.startswith(f"{left} and {right} are one customer, c")
    assert len(steps) > 2
    assert steps[0].startswith(f"  {left} holds ")
    assert steps[-1].startswith(f"  {right} holds ")
    for here, there in pairwise(steps):
        words = here.split(" holds ")[1].split(" and ")[-1].split(" (")[0]
        assert words in there


def test_two_records_that_were_refused_are_told_the_rule(demo: Paths) -> None:
    [(left, right)] = ask(
        demo,
        """
        select here.record_key, there.record_key
        from identity.explain as here
        inner join identity.explain as there on here.node = there.node
        where here.standing = 'refused' and there.customer_id <> here.customer_id and there.joins
        order by all
        limit 1
        """,
    )
    first, *others = explain(demo.warehouse, [left, right]).splitlines()
    assert first.startswith(f"{left} and {right} are two: c")
    assert any("refused: account of demo_shop: 1 and 1, at most 1" in line for line in others)


def test_strangers_share_nothing(demo: Paths) -> None:
    [(left,), (right,)] = ask(
        demo,
        """
        select min(record_key) from identity.records
        where source_entity = 'accounts'
        group by customer_id
        having customer_id is not null and count(*) = 1
        order by customer_id
        limit 2
        """,
    )
    assert "Nothing that was seen" in explain(demo.warehouse, [left, right])


def test_a_customer_is_told_from_its_founder_outwards(demo: Paths) -> None:
    """Every identifier stands there once, with the record that leads to it."""
    [(customer, identifiers)] = ask(
        demo,
        """
        select customer_id, count(*)
        from marts.customer_identifiers
        group by customer_id
        having count(*) between 5 and 40
        order by count(*) desc, customer_id
        limit 1
        """,
    )
    first, founder, *others = explain(demo.warehouse, [customer]).splitlines()
    assert first.startswith(f"{customer} is one customer: {identifiers} identifiers on ")
    assert founder.endswith(", the founder")
    steps = [line for line in others if " with " in line]
    assert len(steps) == int(identifiers) - 1


def test_a_record_that_joins_nobody_says_why(demo: Paths) -> None:
    [(record, standing)] = ask(
        demo,
        """
        select record_key, standing from identity.explain
        where customer_id is null and not joins
        order by all
        limit 1
        """,
    )
    page = explain(demo.warehouse, [record])
    assert page.startswith(f"{record} belongs to no customer")
    assert f", {standing}: " in page


def test_no_page_holds_a_personal_value(demo: Paths) -> None:
    [(customer,)] = ask(demo, "select min(customer_id) from pii.customers where email is not null")
    values = ask(
        demo,
        f"select id_value from pii.customer_identifiers where customer_id = '{customer}' "
        "and id_type in ('email', 'phone')",
    )
    page = explain(demo.warehouse, [customer])
    assert values
    assert not [value for (value,) in values if value in page]
    assert "@" not in json.dumps(page)


def test_a_name_that_nobody_bears(demo: Paths) -> None:
    with pytest.raises(UnknownNameError, match="neither a customer_id nor a record"):
        explain(demo.warehouse, ["demo_shop:accounts:nobody"])
