"""Statements that are written by hand say in which schema their tables are: `guardkit.sql.namespaces.prefix`."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import PACKAGE, syntax

_BARE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+gk_\w+")


def test_no_statement_names_a_table_without_its_schema() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {bare[0]}"
        for path in sorted((PACKAGE / "sql").glob("*.py"))
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for bare in [_BARE.search(node.value)]
        if bare is not None
    ]
    assert found == []
