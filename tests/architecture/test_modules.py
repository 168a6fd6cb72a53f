"""Modules are small, named for what they hold, and import openly."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, imports, modules, relative, syntax

LONGEST = 400
"""Lines; a module past this is two modules."""

DRAWERS = {"common", "helper", "helpers", "misc", "util", "utils"}
"""Names that say nothing about what is inside."""

PRIVATE_LANGGRAPH = "guardkit/langgraph/compat.py"

JUDGE_TYPES = {"BaseChatModel", "Runnable", "RunnableConfig", "RunnableSerializable"}
"""What grounding may take from langchain-core: the types that a judge is."""


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        relative(path): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


def test_modules_are_named_for_what_they_hold() -> None:
    drawers = [relative(path) for path in modules() if path.stem.strip("_") in DRAWERS]
    assert drawers == []


def test_no_room_is_empty() -> None:
    empty = [
        relative(path) for path in modules() if path.name != "__init__.py" and not _statements(syntax(path))
    ]
    assert empty == []


def test_private_names_of_langgraph_are_used_in_one_module() -> None:
    found = [
        f"{relative(path)}:{line} {module} {name}".rstrip()
        for path in modules()
        if relative(path) != PRIVATE_LANGGRAPH
        for module, name, line in imports(syntax(path))
        if module.split(".")[0] in {"langgraph", "langchain_core", "langchain"}
        and any(part.startswith("_") and not part.endswith("__") for part in [*module.split("."), name])
    ]
    assert found == []


def test_grounding_takes_only_the_types_of_a_judge_from_langchain() -> None:
    found = [
        f"{relative(path)}:{line} {module} {name}".rstrip()
        for path in modules()
        if relative(path).startswith("guardkit/grounding/")
        for module, name, line in imports(syntax(path))
        if module.split(".")[0] == "langchain_core" and name not in JUDGE_TYPES
    ]
    assert found == []


@pytest.mark.parametrize("word", ["NotImplementedError", "TODO", "FIXME", "XXX"])
def test_nothing_is_left_to_be_built(word: str) -> None:
    whole = re.compile(rf"\b{word}\b")
    places = [*modules(), *sorted((ROOT / "examples").glob("*.py"))]
    assert [relative(path) for path in places if whole.search(path.read_text(encoding="utf-8"))] == []


def test_nothing_that_protects_is_asserted() -> None:
    """`python -O` removes assertions: they may narrow a type, never refuse input."""
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Assert) and not _narrows(node.test)
    ]
    assert found == []


def _narrows(test: ast.expr) -> bool:
    match test:
        case ast.Compare(ops=[ast.IsNot() | ast.Is()], comparators=[ast.Constant(value=None)]):
            return True
        case ast.Call(func=ast.Name(id="isinstance" | "callable")):
            return True
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_narrows(value) for value in values)
        case _:
            return False


def _statements(tree: ast.Module) -> list[ast.stmt]:
    return [
        node
        for node in tree.body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def test_paths_are_inside_the_tree() -> None:
    assert all(Path(relative(path)).parts[0] == "guardkit" for path in modules())
