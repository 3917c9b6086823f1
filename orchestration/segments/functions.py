"""The compiler of rules and the reader of views as SQL functions, for models/segments/rules."""

import json

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb.sqltypes import VARCHAR

from orchestration.segments.explanations import explain_segment_view
from orchestration.segments.rules import compile_rules


class Plugin(BasePlugin):
    """What dbt-duckdb loads: registers the function on the connection that it opens."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Called once for each file that dbt opens; its threads share the function."""
        register(conn)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the functions that models call, by name."""
    connection.create_function(
        "compile_segment_rules", compile_segment_rules, [VARCHAR, VARCHAR], VARCHAR
    )
    connection.create_function("explain_segment_view", explain_segment_view, [VARCHAR], VARCHAR)


def compile_segment_rules(rules: str, inputs: str) -> str:
    """The rows of the rules and what they may read as JSON; what came of each row as JSON."""
    return json.dumps(compile_rules(json.loads(rules), json.loads(inputs)))
