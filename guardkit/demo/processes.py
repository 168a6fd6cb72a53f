"""The demo's other processes: a worker and the web inbox."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from guardkit.errors import ConfigurationError

GRAPH = "guardkit.demo.desk:graph"
PATIENCE = 60.0
"""Seconds to wait for another process before giving up."""


def free_port() -> int:
    """A port on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*words: str) -> list[str]:
    """The guardkit command of this very installation."""
    return [sys.executable, "-m", "guardkit", *words]


def typed(name: str) -> str:
    """How a program beside this Python is called from where we are: by its name where the shell finds it."""
    here = Path(sys.executable).parent / name
    found = shutil.which(name)
    if found is not None and Path(found).resolve() == here.resolve():
        return name
    return os.path.relpath(here) if here.exists() else f"{os.path.relpath(sys.executable)} -m {name}"


@contextlib.contextmanager
def running(*words: str, folder: Path, name: str) -> Generator[subprocess.Popen[str]]:
    """Another process, for as long as the block lasts. What it logs goes to a file in the folder."""
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603  # our own command, built above
            command(*words), stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ.copy()
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


def run(*words: str) -> tuple[int, str]:
    """Run a guardkit command to its end; its status and what it printed."""
    done = subprocess.run(  # noqa: S603  # our own command, built above
        command(*words), capture_output=True, text=True, env=os.environ.copy(), timeout=PATIENCE, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that a process prints.

    Raises:
        ConfigurationError: it ended without one.
    """
    line = process.stdout.readline().strip() if process.stdout is not None else ""
    if not line:
        raise ConfigurationError(
            "a process of the demo did not start", remedy="see its log in the demo's folder"
        )
    return line


def listening(port: int) -> None:
    """Wait until somebody listens on a port.

    Raises:
        ConfigurationError: nobody does in time.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise ConfigurationError(f"nothing listens on port {port}")
