"""Every Python block of the README and the documentation runs, as a reader would run it."""

from __future__ import annotations

import ast
import linecache
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, pages

PATIENCE = 600
"""Seconds that a page may take: the quickstart starts ten programs, each of which imports LangGraph."""


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    """The module that the blocks of one page run in, importable while they do."""
    module = types.ModuleType("guardkit_docs_page")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("page", pages(), ids=_name)
def test_a_page_runs(
    page: Path, namespace: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for block in blocks(page):
        if block.file is not None:
            target = tmp_path / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        match block.use, block.language:
            case "run", "python" | "py":
                _run(page, block, namespace)
            case "run", _:
                _type(page, block, tmp_path)
            case "parse", _:
                ast.parse(block.text, filename=f"{_name(page)}:{block.line}")
            case _:
                pass


def _run(page: Path, block: Block, namespace: types.ModuleType) -> None:
    """Runs a block so that tracebacks and `inspect.getsource` find its lines on the page."""
    source = "\n" * (block.line - 1) + block.text
    name = f"<{_name(page)}:{block.line}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec", dont_inherit=True), namespace.__dict__)


def _type(page: Path, block: Block, folder: Path) -> None:
    """Types the commands of a block into a shell that finds this environment's programs first."""
    programs = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["sh", "-eu", "-c", block.text],
        cwd=folder,
        env={**os.environ, "PATH": programs + os.pathsep + os.environ.get("PATH", os.defpath)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE / 2,
        check=False,
    )
    assert done.returncode == 0, f"{_name(page)}:{block.line}\n{done.stdout}\n{done.stderr}"
