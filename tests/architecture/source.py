"""The tree as the tests of the architecture read it: modules, their syntax, the tracked files."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import guardkit

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "guardkit"
MIGRATIONS = "guardkit.sql.migrations"


def modules() -> list[Path]:
    """Every module of the package, as a path."""
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    """A path as it is written in a message."""
    return path.relative_to(ROOT).as_posix()


def syntax(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=relative(path))


def imported() -> list[ModuleType]:
    """Every module of the package, imported; migrations and `__main__` are programs, not modules."""
    names = (found.name for found in pkgutil.walk_packages(guardkit.__path__, prefix="guardkit."))
    return [guardkit, *(importlib.import_module(name) for name in names if _is_library(name))]


def _is_library(name: str) -> bool:
    return not name.startswith(f"{MIGRATIONS}.") and not name.endswith(".__main__")


def imports(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Each imported module, name (empty for a whole module) and line, wherever it is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield alias.name, "", node.lineno
            case ast.ImportFrom(module=module, names=names) if module is not None:
                for alias in names:
                    yield module, alias.name, node.lineno
            case _:
                pass


def tracked() -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())
