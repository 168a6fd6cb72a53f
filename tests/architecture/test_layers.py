"""The import contracts of pyproject.toml hold, and they name every room that is there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.source import PACKAGE, ROOT

PYPROJECT = ROOT / "pyproject.toml"


def test_the_import_contracts_hold() -> None:
    # In a process of its own: import-linter switches off every logger that is there.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_layers_name_every_room() -> None:
    """import-linter reports a room without a layer; this reports a layer without a room."""
    contracts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    named = {name for layer in layers for name in re.findall(r"\w+", layer)}
    assert named == _rooms()


def _rooms() -> set[str]:
    found = (path for path in PACKAGE.iterdir() if _is_module(path))
    return {path.stem for path in found if path.name != "__init__.py"}


def _is_module(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").is_file()
