"""The SQL of macros of the project where dbt does not run: one definition for both."""

import os
from functools import cache, partial
from typing import Any

import jinja2

from orchestration.paths import PROJECT

_FOLDERS = ("identity", "normalise")


def macro_sql(name: str, *arguments: str) -> str:
    """The SQL of a macro of macros/identity or macros/normalise that asks no warehouse."""
    # The module is made at each call: it reads the pepper, which may be another one by now.
    module: Any = _templates()[name].make_module()
    return str(getattr(module, name)(*arguments)).strip()


@cache
def _templates() -> dict[str, jinja2.Template]:
    files = [file for folder in _FOLDERS for file in (PROJECT / "macros" / folder).glob("*.sql")]
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["env_var"] = os.environ.get
    environment.globals.update({file.stem: partial(macro_sql, file.stem) for file in files})
    return {file.stem: environment.from_string(file.read_text()) for file in files}
