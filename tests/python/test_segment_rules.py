"""Segments that are rules: what becomes of a row of the file, and why a customer is in or not."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from orchestration.paths import PROJECT, Paths
from orchestration.reports.card import card
from orchestration.reports.explain_segment import UnknownSegmentError, explain_segment
from orchestration.segments.explanations import ShapeError, explain_segment_view
from tests.python.conftest import UNTIL

Rule = tuple[str, str] | tuple[str, str, str | None, str | None]


class Warehouse:
    """A built warehouse in which the rules are others than those of the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "warehouse.duckdb"

    def build(self, *rules: Rule) -> None:
        """Build the models of the rules anew, with these rows in the file."""
        with closing(duckdb.connect(str(self.file))) as connection:
            connection.execute("delete from reference.segment_rules")
            for rule in rules:
                segment, text, first, last = (*rule, None, None)[:4]
                connection.execute(
                    """
                    insert into reference.segment_rules
                        (segment_id, title, rule, valid_from, valid_until, owner)
                    values (?, 'A rule''s title', ?, ?, ?, 'crm')
                    """,
                    [segment, text, first, last],
                )
        places = {"project-dir": PROJECT, "profiles-dir": PROJECT}
        places |= {"target-path": self.folder / "dbt", "log-path": self.folder / "logs"}
        arguments = [
            *("run", "--select", "path:models/segments/rules", "--quiet", "--log-level", "none"),
            *("--vars", json.dumps({"as_of": UNTIL.isoformat(), "load_id": 1})),
            *(f"--{name}={place}" for name, place in places.items()),
        ]
        try:
            result = dbtRunner().invoke(arguments)
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        assert result.success, result.exception or [node.message for node in result.result]  # type: ignore[union-attr]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(duckdb.connect(str(self.file), read_only=True)) as connection:
            return connection.execute(sql).fetchall()

    def views(self) -> set[str]:
        rows = self.ask(
            "select view_name from duckdb_views() "
            "where schema_name = 'segments' and sql like '%rule_inputs%'"
        )
        return {name for (name,) in rows} - {"explanations"}


@pytest.fixture(scope="module")
def warehouse(demo: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("rules")
    shutil.copyfile(demo.warehouse, folder / "warehouse.duckdb")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEGMENT_OF_ONE_WAREHOUSE", str(folder / "warehouse.duckdb"))
        yield Warehouse(folder)


def test_what_became_of_each_row_is_told(warehouse: Warehouse) -> None:
    warehouse.build(
        ("wrong_word", "ordr_count > 3"),
        ("too_late", "order_count > 3", None, "2026-06-29"),
        ("last_day", "order_count > 3", None, "2026-06-30"),
        ("too_early", "order_count > 3", "2026-07-01", None),
        ("first_day", "order_count > 3", "2026-06-30", None),
        ("left", "member_of('right_hand')"),
        ("right_hand", "member_of('left')"),
        ("memberships", "order_count > 3"),
    )
    told = warehouse.ask("select segment_id, status from segments.rules order by line_number")
    assert told == [
        ("wrong_word", "refused"),
        ("too_late", "expired"),
        ("last_day", "in_force"),
        ("too_early", "not_yet"),
        ("first_day", "in_force"),
        ("left", "refused"),
        ("right_hand", "refused"),
        ("memberships", "refused"),
    ]
    reasons = dict(warehouse.ask("select line_number, reason from segments.rules"))
    assert reasons[3] is None
    assert "line 2" in str(reasons[2])
    assert "order_count" in str(reasons[2])
    assert all(name in str(reasons[7]) for name in ("left", "right_hand"))
    assert warehouse.views() == {"last_day", "first_day"}
    members = warehouse.ask("select distinct segment_id from segments.rule_memberships order by 1")
    assert members == [("first_day",), ("last_day",)]


def test_a_rule_that_is_gone_takes_its_view_and_its_members_along(warehouse: Warehouse) -> None:
    warehouse.build(("buyers", "order_count > 0"), ("women", "gender = 'female'"))
    assert warehouse.views() == {"buyers", "women"}
    others = warehouse.ask("select view_name from duckdb_views() where schema_name = 'segments'")
    warehouse.build(("women", "gender = 'female'"))
    assert warehouse.views() == {"women"}
    left = warehouse.ask("select view_name from duckdb_views() where schema_name = 'segments'")
    assert set(others) - set(left) == {("buyers",)}
    gone = "where segment_id = 'buyers'"
    assert warehouse.ask(f"select 1 from segments.rule_memberships {gone}") == []
    assert warehouse.ask(f"select 1 from segments.explanations {gone}") == []


def test_without_rules_nobody_is_a_member(warehouse: Warehouse) -> None:
    warehouse.build()
    assert warehouse.views() == set()
    assert warehouse.ask("select * from segments.rule_memberships") == []
    [(inputs, customers)] = warehouse.ask(
        """
        select
            (select count(*) from segments.rule_inputs),
            (select count(*) from marts.customers where erasure_requested_at is null)
        """
    )
    assert inputs == customers


def test_a_view_has_the_evidence_and_says_what_it_is(warehouse: Warehouse) -> None:
    warehouse.build(
        ("often", "gender = 'female' and times_bought(days = 365) >= 2 and order_count >= 2")
    )
    with closing(duckdb.connect(str(warehouse.file), read_only=True)) as connection:
        found = connection.execute("select * from segments.often")
        names = [column[0] for column in found.description or []]
        rows = found.fetchall()
    assert names == ["customer_id", "gender", "order_count", "times_bought_days_365"]
    assert rows
    assert all(gender == "female" and min(counts) >= 2 for _, gender, *counts in rows)
    members = warehouse.ask("select customer_id from segments.rule_memberships")
    assert {(row[0],) for row in rows} == set(members)
    [(comment,)] = warehouse.ask("select comment from duckdb_views() where view_name = 'often'")
    title, rule, owner = str(comment).splitlines()
    assert title == "A rule's title"
    assert rule.startswith("Rule: gender = 'female' and times_bought")
    assert owner == "Owner: crm"


def test_a_condition_and_its_negation_divide_all_customers(warehouse: Warehouse) -> None:
    """Who has no value is not 'female', and did not buy twice."""
    conditions = {
        "women": "gender = 'female'",
        "buyers": "times_bought(days = 365) >= 2",
        "price": "average_order_amount > 50",
        "members": "member_of('lifecycle_active')",
        "unequal": "gender != 'female'",
    }
    warehouse.build(
        *conditions.items(),
        *((f"not_{name}", f"not ({condition})") for name, condition in conditions.items()),
    )
    sizes = dict(
        warehouse.ask("select segment_id, count(*) from segments.rule_memberships group by all")
    )
    [(customers, without_gender)] = warehouse.ask(
        """
        select count(*), count(*) - count(gender)
        from marts.customers
        where erasure_requested_at is null
        """
    )
    assert isinstance(without_gender, int)
    assert without_gender > 0
    assert {sizes[name] + sizes[f"not_{name}"] for name in conditions} == {customers}
    assert sizes["unequal"] == sizes["not_women"]


def test_a_member_passes_every_condition_and_nobody_else_does(demo: Paths) -> None:
    """Of every segment there is, whatever it is made of; and every segment is explained."""
    with closing(duckdb.connect(str(demo.serving), read_only=True)) as connection:
        different = connection.execute(
            """
            with told as (
                select segment_id, customer_id, bool_and(passed) as is_member
                from segments.explanations
                group by segment_id, customer_id
            ),
            members as (
                select segment_id, customer_id from segments.memberships
                union
                select segment_id, customer_id from segments.rule_memberships
            )
            select
                coalesce(told.segment_id, members.segment_id) as segment_id,
                count(*) filter (where told.is_member is null) as without_explanation,
                count(*) filter (where members.customer_id is null) as no_members,
                count(*) filter (where not told.is_member) as members_nevertheless
            from told
            full join members using (segment_id, customer_id)
            where told.is_member is distinct from (members.customer_id is not null)
            group by all
            order by all
            """
        ).fetchall()
        [(segments, customers, everybody)] = connection.execute(
            """
            select
                count(distinct segment_id),
                count(distinct customer_id),
                (select count(*) from marts.customers where erasure_requested_at is null)
            from segments.explanations
            """
        ).fetchall()
    assert different == []
    assert segments > 30
    assert customers == everybody


def test_the_rules_of_the_project_are_in_force_and_find_somebody(demo: Paths) -> None:
    with closing(duckdb.connect(str(demo.serving), read_only=True)) as connection:
        wrong = connection.execute(
            """
            select segment_id, status, reason
            from segments.rules
            where
                status <> 'in_force'
                or segment_id not in (select segment_id from segments.rule_memberships)
            """
        ).fetchall()
    assert wrong == []


def test_readers_get_views_with_their_comments(demo: Paths) -> None:
    """A table of all conditions of everybody would be as large as all else together."""
    with closing(duckdb.connect(str(demo.serving), read_only=True)) as connection:
        views = dict(
            connection.execute(
                "select view_name, comment from duckdb_views() where schema_name = 'segments'"
            ).fetchall()
        )
        in_force = connection.execute(
            "select segment_id, title from segments.rules where status = 'in_force'"
        ).fetchall()
        for segment, title in in_force:
            assert views[segment].startswith(title)
            found = connection.execute(f"select count(*) from segments.{segment}").fetchall()
            assert found[0][0] > 0
    assert "explanations" in views


def test_a_customer_is_told_why(demo: Paths) -> None:
    with closing(duckdb.connect(str(demo.serving), read_only=True)) as connection:
        [(member,), (other,)] = connection.execute(
            """
            (select min(customer_id) from segments.vanished_buyer)
            union all
            (select min(customer_id) from marts.customers
            where erasure_requested_at is null
            and customer_id not in (select customer_id from segments.vanished_buyer))
            """
        ).fetchall()
    first, *lines = explain_segment(demo.serving, member, "vanished_buyer").splitlines()
    assert first == f"{member} is in vanished_buyer: 7 of 7 conditions hold"
    assert [line[:5] for line in lines] == ["  yes"] * 7
    assert any("has true, asked for true" in line for line in lines)
    first, *lines = explain_segment(demo.serving, other, "vanished_buyer").splitlines()
    assert first.startswith(f"{other} is not in vanished_buyer: ")
    assert any(line.startswith("  no ") for line in lines)
    assert "  vanished buyer" in card(demo.serving, member).splitlines()


def test_a_segment_that_nobody_knows(demo: Paths) -> None:
    with closing(duckdb.connect(str(demo.serving), read_only=True)) as connection:
        [(customer,)] = connection.execute(
            "select min(customer_id) from marts.customers where erasure_requested_at is null"
        ).fetchall()
    with pytest.raises(UnknownSegmentError, match="did you mean vanished_buyer"):
        explain_segment(demo.serving, customer, "vanishd_buyer")


def conditions(where: str) -> list[tuple[Any, ...]]:
    """The conditions of a view whose last step has this `where`, as DuckDB keeps it."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table customers (customer_id varchar, n integer, name varchar, day date, "
            "yes boolean)"
        )
        connection.execute(
            f"""
            create view asked as
            with people as (select * from customers),
            final as (select customer_id from people where {where})
            select * from final
            """
        )
        [(sql,)] = connection.execute(
            "select sql from duckdb_views() where view_name = 'asked'"
        ).fetchall()
        told = json.loads(explain_segment_view(sql))
        connection.execute("insert into customers values ('c1', 3, 'o''clock', '2026-06-01', null)")
        found = []
        for condition in told["conditions"]:
            [(value, threshold, passed)] = connection.execute(
                f"""
                {told["steps"]}
                select {condition["value"]}, {condition["threshold_sql"]}, {condition["passed"]}
                from {told["source"]}
                """
            ).fetchall()
            found.append((condition["condition"], value, threshold, passed))
        return found


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("n >= 3", [("n >= 3", "3", "3", True)]),
        ("3 < n", [("3 < n", "3", "3", False)]),
        ("name = 'o''clock'", [("name = 'o''clock'", "o'clock", "o'clock", True)]),
        ("yes", [("yes", None, "true", False)]),
        ("not yes", [("NOT yes", None, "false", False)]),
        ("yes is null", [("yes IS NULL", None, "no value", True)]),
        (
            "n > (select max(o.n) from customers as o where o.name = 's' and o.name = 'least')",
            [("n > least", "3", None, False)],
        ),
        ("yes is not null", [("yes IS NOT NULL", None, "a value", False)]),
        ("n in (1, 2)", [("n IN (1, 2)", "3", "1, 2", False)]),
        ("n between 1 and 3", [("n BETWEEN 1 AND 3", "3", "1 to 3", True)]),
        (
            "day > date '2026-06-30' - interval 7 day",
            [
                (
                    "day > (date '2026-06-30' - interval 7 day)",
                    "2026-06-01",
                    "2026-06-23 00:00:00",
                    False,
                )
            ],
        ),
        ("n > 5 or yes", [("(n > 5) OR yes", "n 3, yes NULL", None, False)]),
        (
            "n > 1 and (yes and n < 3)",
            [
                ("n > 1", "3", "1", True),
                ("yes", None, "true", False),
                ("n < 3", "3", "3", False),
            ],
        ),
    ],
)
def test_a_view_is_taken_apart(where: str, told: list[tuple[Any, ...]]) -> None:
    assert conditions(where) == told


@pytest.mark.parametrize(
    "final",
    [
        "SELECT a.customer_id FROM a INNER JOIN b USING (customer_id)",
        "SELECT customer_id FROM a GROUP BY customer_id",
        "SELECT customer_id FROM a UNION ALL SELECT customer_id FROM b",
    ],
)
def test_a_view_of_another_shape_is_refused(final: str) -> None:
    with pytest.raises(ShapeError, match="`final` may only choose rows"):
        explain_segment_view(
            f"CREATE VIEW segments.s AS WITH a AS (SELECT 1), final AS ({final})"
            "SELECT * FROM final;"
        )
