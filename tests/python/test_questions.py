"""Every question of docs/questions is answered by what is published."""

import re

import duckdb
import pytest

from orchestration.paths import PROJECT, Paths

PAGES = sorted((PROJECT / "docs" / "questions").glob("*.md"))
# Ids of REQUIREMENTS.md that are answered: raw data, single view, lifecycle, segments, privacy.
REQUIRED = (
    {f"S{n}" for n in range(1, 12)}
    | {f"V{n}" for n in range(1, 8)}
    | {f"L{n}" for n in range(1, 11)}
    | {f"G{n}" for n in range(1, 10)}
    | {"P1", "P2", "P3"}
)


def questions() -> list[tuple[str, str]]:
    """Requirement id and query of each block of SQL, in the order of the pages."""
    found = []
    for page in PAGES:
        for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            requirement = section.split()[0]
            for block in re.findall(r"```sql\n(.*?)```", section, flags=re.DOTALL):
                found.append((requirement, block))
    return found


def test_every_requirement_has_a_question() -> None:
    assert {requirement for requirement, _ in questions()} >= REQUIRED


@pytest.mark.parametrize(("requirement", "query"), questions())
def test_a_question_has_an_answer(demo: Paths, requirement: str, query: str) -> None:
    with duckdb.connect(str(demo.serving), read_only=True) as connection:
        assert connection.execute(query).fetchall(), requirement


def test_the_360_view_answers_the_personas_as_their_segments_do(demo: Paths) -> None:
    page = (PROJECT / "docs" / "questions" / "personas.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, flags=re.DOTALL)
    personas = ("new_buyer", "high_value_buyer", "losing_buyer", "vanished_buyer")
    with duckdb.connect(str(demo.serving), read_only=True) as connection:
        for persona, query in zip(personas, queries, strict=True):
            [(strangers, missing, members)] = connection.execute(
                f"""
                with asked as ({query}), members as (select * from segments.{persona})
                select
                    (select count(*) from asked anti join members using (customer_id)),
                    (select count(*) from members anti join asked using (customer_id)),
                    (select count(*) from members)
                """
            ).fetchall()
            assert (strangers, missing) == (0, 0), persona
            assert members, persona
