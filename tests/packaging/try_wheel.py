"""Installs the built wheel outside the checkout and uses it, so that no file of the checkout can fill a gap.

Run by `make wheel`, after `dist/` was built.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).parent / "uv"


def main() -> None:
    """Tries the wheel; the first thing that is wrong ends the program with a message."""
    wheel = next((ROOT / "dist").glob("*.whl"))
    compare(wheel)
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, symlinks=True)
        programs = environment / "bin"
        install(programs, "--require-hashes", "-r", str(ROOT / "requirements" / "base.txt"))
        install(programs, "--no-deps", str(wheel))
        run(
            folder,
            programs / "python",
            "-I",
            "-c",
            "import guardkit, guardkit.testing",
        )
        run(folder, programs / "guardkit", "--help")
        install(programs, "--require-hashes", "-r", str(ROOT / "requirements" / "demo.txt"))
        run(folder, programs / "guardkit", "demo", ANSWER="approve")
    print(f"{wheel.name}: complete, installs, runs")


def compare(wheel: Path) -> None:
    """The wheel holds every file that version control has under guardkit/."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "guardkit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("guardkit/")}
    if tracked != packed:
        sys.exit(f"{wheel.name} and the checkout differ: {sorted(tracked ^ packed)}")


def install(programs: Path, *what: str) -> None:
    """Installs into the environment of `programs`."""
    run(str(ROOT), UV, "pip", "install", "--quiet", "--python", str(programs / "python"), *what)


def run(folder: str, *command: str | Path, **variables: str) -> None:
    """Runs a command in `folder`; prints what it said, and ends the program, if it fails."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GUARDKIT_"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=clean | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")


if __name__ == "__main__":
    main()
