"""The page docs/ready_segments.md, written from the models of the ready segments."""

from collections.abc import Iterable, Mapping
from typing import Any

_INTRODUCTION = """# Ready segments

Who is in each segment that comes with the project, and what to do about it. This page is written
from `models/segments/*/seg_*.sql` and the YAML beside them
(`python -m orchestration ready-segments`); a test keeps it true.

- Each segment is a view in the schema `segments`: a row for each member, with the evidence.
- The numbers of the rules are in `seeds/segments/segment_limits.csv`: change a row, and the next
  build follows. A number in the tables below is that of the seed as it is delivered.
- Who asked to be forgotten is in none. Consent, pressure and open cases are asked when a message
  is sent, not here: a segment tells who somebody is.
"""

# Folder of models/segments -> heading, in the order of the page.
_HEADINGS = {
    "personas": "Personas",
    "styles": "Styles",
    "campaigns": "Campaigns",
    "product_campaigns": "Life of a product",
    "brand_campaigns": "Several brands",
    "retention_campaigns": "Keeping and letting go",
}


def ready_segments_page(nodes: Iterable[Mapping[str, Any]]) -> str:
    """The whole page as Markdown, from the nodes of the manifest."""
    segments = [node for node in nodes if str(node["name"]).startswith("seg_")]
    sections = []
    for folder, heading in _HEADINGS.items():
        members = [node for node in segments if node["fqn"][2] == folder]
        rows = [_row(node) for node in sorted(members, key=lambda node: str(node["name"]))]
        sections.append(
            "\n".join(
                [
                    f"## {heading}",
                    "",
                    "| segment | title | who is in it | suggested action | channels |",
                    "|---|---|---|---|---|",
                    *rows,
                    "",
                ]
            )
        )
    return "\n".join([_INTRODUCTION, *sections])


def _row(node: Mapping[str, Any]) -> str:
    meta = node["config"]["meta"]
    who = " ".join(str(node["description"]).split())
    who = who.removeprefix("One row per member: ").removesuffix(".")
    return (
        f"| `{node['alias']}` | {meta['title']} | {who} | {meta['suggested_action']} "
        f"| {', '.join(meta['channels'])} |"
    )
