"""The names that users import are listed, in order, and nothing else is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from types import ModuleType

import guardkit
from tests.architecture.source import PACKAGE, imported, relative, syntax


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order ruff's RUF022 writes."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _public(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    } - {"annotations"}


def test_the_public_names_are_sorted_and_unique() -> None:
    assert list(guardkit.__all__) == sorted(set(guardkit.__all__), key=_order)


def test_the_public_names_are_complete() -> None:
    listed = {name for name in guardkit.__all__ if not name.startswith("__")}
    assert listed == _public(guardkit)


def test_every_list_of_names_is_sorted_and_true() -> None:
    for module in imported():
        names = list(getattr(module, "__all__", ()))
        assert names == sorted(set(names), key=_order), module.__name__
        assert not [name for name in names if not hasattr(module, name)], module.__name__


def test_the_root_holds_no_logic() -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    docstring, *statements = syntax(PACKAGE / "__init__.py").body
    assert isinstance(docstring, ast.Expr)
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
