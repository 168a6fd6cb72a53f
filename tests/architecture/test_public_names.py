"""The names that users import are listed, in order, and nothing else is there."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import guardkit
import guardkit.channels
import guardkit.sql
from tests.architecture.source import PACKAGE, imported, relative, syntax

LAZY = (guardkit, guardkit.channels, guardkit.sql)


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order ruff's RUF022 writes."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_the_public_names_are_sorted_and_unique() -> None:
    assert list(guardkit.__all__) == sorted(set(guardkit.__all__), key=_order)


@pytest.mark.parametrize("package", LAZY, ids=[package.__name__ for package in LAZY])
def test_names_that_are_loaded_on_demand_are_where_type_checkers_look(package: ModuleType) -> None:
    """The names of the list, of the table and of the stub are the same, and from the same modules."""
    stub = ast.parse(Path(str(package.__file__)).with_suffix(".pyi").read_text(encoding="utf-8"))
    told = {
        alias.asname or alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == package._HOMES
    assert sorted(told) == sorted(package.__all__)
    for name, home in told.items():
        assert getattr(package, name) is getattr(importlib.import_module(str(home)), name)
        assert name in dir(package)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_the_help_of_the_command_line_loads_no_framework() -> None:
    """Nobody waits for LangGraph and SQLAlchemy who only wants to know what there is."""
    program = (
        "import sys, guardkit; from guardkit.cli import main; sys.argv = ['guardkit', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('langgraph', 'langchain_core', 'sqlalchemy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_commands_that_read_the_database_load_no_agent() -> None:
    program = (
        "import sys, guardkit.cli.approvals, guardkit.cli.audit, guardkit.cli.operate, guardkit.cli.threads\n"
        "print([name for name in ('langgraph', 'langchain_core') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_list_of_names_is_sorted_and_true() -> None:
    for module in imported():
        names = list(getattr(module, "__all__", ()))
        assert names == sorted(set(names), key=_order), module.__name__
        assert not [name for name in names if not hasattr(module, name)], module.__name__


def test_the_root_holds_no_logic() -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    docstring, *statements = syntax(PACKAGE / "__init__.py").body
    assert isinstance(docstring, ast.Expr)
    statements = [node for node in statements if not isinstance(node, ast.Expr)]  # docstrings of names
    assert [ast.unparse(node) for node in statements if not isinstance(node, allowed)] == []


def test_a_name_that_is_listed_in_the_root_is_documented() -> None:
    bare = [
        name
        for name in guardkit.__all__
        if callable(getattr(guardkit, name)) and not (getattr(guardkit, name).__doc__ or "").strip()
    ]
    assert bare == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file(), relative(PACKAGE / "py.typed")


def test_importing_the_package_needs_no_extra() -> None:
    """The base install is enough: no module of an extra is loaded by `import guardkit`.

    `opentelemetry.sdk` is not asked for: langsmith, which langchain-core imports, loads it wherever it is installed.
    """
    extras = (
        "httpx._client_pool",
        "jinja2",
        "langchain",
        "msal",
        "slack_sdk",
        "starlette",
    )
    program = f"import guardkit, sys; print([name for name in {extras!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
