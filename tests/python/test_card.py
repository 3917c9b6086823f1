"""The contact card: one customer on one page, with reasons and without personal data."""

import duckdb
import pytest

from orchestration.paths import Paths
from orchestration.reports.card import LAST_INTERACTIONS, UnknownCustomerError, card


def ask(paths: Paths, sql: str) -> str:
    with duckdb.connect(str(paths.serving), read_only=True) as connection:
        [(customer,)] = connection.execute(sql).fetchall()
    return str(customer)


def test_a_card_tells_why_the_customer_stopped_and_what_happened_last(demo: Paths) -> None:
    customer = ask(
        demo,
        """
        select customer_id from marts.customer_inactivity_reasons
        where reason = 'service_problem' and reason_rank = 1
        order by customer_id limit 1
        """,
    )
    lines = card(demo.serving, customer).splitlines()
    assert lines[0] == f"Customer {customer}"
    assert any(line.startswith("  service problem: ") for line in lines)
    [title] = [line for line in lines if line.startswith("The last ")]
    story = lines[lines.index(title) + 1 :]
    assert title == f"The last {len(story)} interactions"
    assert 0 < len(story) <= LAST_INTERACTIONS
    assert [line[:18] for line in story] == sorted((line[:18] for line in story), reverse=True)


def test_a_card_tells_the_next_message_and_why(demo: Paths) -> None:
    customer = ask(
        demo,
        """
        select customer_id from segments.next_messages
        where product_ids is not null
        order by customer_id limit 1
        """,
    )
    lines = card(demo.serving, customer).splitlines()
    told = lines[lines.index("Next message") + 1 :]
    assert " of " in told[0]
    assert told[1].startswith("  shows ")
    assert any(line.startswith("  because: ") for line in told)


def test_a_card_tells_why_there_is_no_message(demo: Paths) -> None:
    customer = ask(
        demo,
        """
        select customer_id from segments.next_messages
        where blocked_by = 'consent'
        order by customer_id limit 1
        """,
    )
    lines = card(demo.serving, customer).splitlines()
    assert lines[lines.index("No message now") + 1].startswith("  because: ")


def test_a_card_names_no_person(demo: Paths) -> None:
    with duckdb.connect(str(demo.warehouse), read_only=True) as connection:
        [(customer, first_name, last_name, email)] = connection.execute(
            """
            select customer_id, first_name, last_name, email from pii.customers
            where len(first_name) > 3 and len(last_name) > 3 and email is not null
            order by customer_id limit 1
            """
        ).fetchall()
    page = card(demo.serving, customer)
    assert not any(word in page for word in (first_name, last_name, email))


def test_an_id_of_the_past_is_the_customer_of_today(demo: Paths) -> None:
    former = ask(
        demo,
        """
        select coalesce(
            min(customer_id) filter (where customer_id <> current_customer_id), min(customer_id)
        )
        from marts.customer_id_history
        where current_customer_id is not null
        """,
    )
    today = ask(
        demo,
        f"select current_customer_id from marts.customer_id_history where customer_id = '{former}'",
    )
    assert card(demo.serving, former) == card(demo.serving, today)


def test_an_id_of_nobody_is_refused(demo: Paths) -> None:
    with pytest.raises(UnknownCustomerError, match="nobody bears the id 'c0'"):
        card(demo.serving, "c0")
