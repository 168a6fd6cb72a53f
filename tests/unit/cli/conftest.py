"""A desk with a paused payment, and somebody at its command line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from guardkit import Approval, Effect, EffectNotDone, Guard, GuardedGraph, Paused, Policy, Principal
from guardkit.cli import main
from guardkit.core.keys import Keys
from guardkit.core.signing import Signer
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.testing import FakeChannel, calls
from tests.promises.scene import agent
from tests.unit.cli.office import OFFICE_PEOPLE, Office, Ran

POLICY = """
policy: claims
version: "3"
owner: risk@example.com
default: reject
directory: people.yaml
tools:
  pay: {otherwise: escalate, approval: desk}
approvals:
  desk:
    stages:
      - {role: manager, approvers: [dana@example.com], channel: desk, assurance: local_operator}
    exclude_requester: true
    expires_in: 8h
    on_expiry: reject
    valid_for: 30m
"""
PEOPLE = "people:\n  - {id: dana, email: dana@example.com, roles: [manager]}\n"
KIM = Principal(id="kim@example.com")


def _bare() -> dict[str, str]:
    """An environment with nothing in it but where programs and modules are."""
    modules = os.environ.get("PYTHONPATH")
    return {"PATH": "/usr/bin:/bin", **({} if modules is None else {"PYTHONPATH": modules})}


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


_INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("guardkit", run_name="__main__", alter_sys=True)
"""
"""`python -m guardkit` that can be interrupted: what a shell starts in the background ignores SIGINT, and so do its children."""


@contextmanager
def following(url: str, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on until it is ended, in a process of its own; what it complains of is in `folder / "stderr"`."""
    with (folder / "stderr").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _INTERRUPTIBLE, *words],
            cwd=folder,
            env={**_bare(), "GUARDKIT_DATABASE": url},
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()


@dataclass
class Line:
    """A command line in a folder with a configuration."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str, **environment: str) -> Ran:
        """A command in this process, which is a hundred times as fast as one of its own."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with self._in_its_place(environment), redirect_stdout(out), redirect_stderr(err):
            sys.argv = ["guardkit", *words]
            try:
                main()
                status = 0
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Ran(status, *(_text(stream) for stream in (out, err)))

    @contextmanager
    def _in_its_place(self, environment: dict[str, str]) -> Iterator[None]:
        """Folder, environment and arguments of a command, and afterwards those of the tests."""
        before = os.environ.copy(), Path.cwd(), sys.argv, sys.path.copy(), set(sys.modules), sys.excepthook
        # A module of the folder may be another one within the same second: what was compiled would pass for it.
        compiles, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        os.environ.clear()
        os.environ.update(self._environment(environment))
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before[0])
            os.chdir(before[1])
            sys.argv, sys.path[:], sys.excepthook = before[2], before[3], before[5]
            sys.dont_write_bytecode = compiles
            for name in (
                set(sys.modules) - before[4]
            ):  # modules of the folder, of which the next test has others
                if str(getattr(sys.modules[name], "__file__", None)).startswith(str(self.folder)):
                    del sys.modules[name]

    def apart(self, *words: str, **environment: str) -> Ran:
        """A command in a process of its own, as people run it."""
        done = subprocess.run(
            [sys.executable, "-m", "guardkit", *words],
            cwd=self.folder,
            env=self._environment(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs beside the test; it does not outlive it."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", _INTERRUPTIBLE, *words],
            cwd=self.folder,
            env=self._environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {**_bare(), "COLUMNS": "200", **self.environment, **more}


@dataclass
class Desk:
    """The agent's side."""

    guard: Guard
    graph: GuardedGraph
    paid: list[str]
    doubtful: list[str]
    keys: list[str]
    """The idempotency keys that the tool was handed."""

    def start(self, thread: str) -> Approval:
        """Begin a turn that asks for a payment."""
        config = self.guard.config(thread, KIM)
        outcome = self.guard.outcome(self.graph.invoke({"messages": [("user", "Pay C-1.")]}, config), config)
        assert isinstance(outcome, Paused)
        return outcome.approvals[0]

    def go_on(self, thread: str) -> object:
        """Run the turn as far as it goes, as the worker does."""
        config = self.guard.config(thread, KIM)
        return self.guard.outcome(self.graph.invoke(None, config), config)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """A command line in an empty folder with a policy, people, keys and no database yet."""
    keys = Keys.generate()
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "people.yaml").write_text(PEOPLE)
    assert keys.decision_key is not None
    secret = keys.decision_key.get_secret_value()
    environment = {
        "GUARDKIT_DATABASE": "sqlite:///guardkit.db",
        "GUARDKIT_POLICY": "policy.yaml",
        "GUARDKIT_DECISION_KEY": secret,
        "GUARDKIT_DECISION_PUBLIC_KEYS": Signer(secret).public_key,
    }
    return Line(tmp_path, environment)


@contextmanager
def opened_desk(line: Line, url: str) -> Iterator[Desk]:
    """A claims desk on a database."""
    keys = Keys(decision_public_keys=(line.environment["GUARDKIT_DECISION_PUBLIC_KEYS"],))
    guard = Guard(
        url,
        policy=Policy.from_file(line.folder / "policy.yaml"),
        keys=keys,
        channels={"desk": FakeChannel("desk")},
    )
    paid: list[str] = []
    doubtful: list[str] = []
    handed: list[str] = []

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str, cents: int, *, effect: Effect) -> str:
        """Pay a claim."""
        handed.append(effect.key)
        if "refused" in doubtful:
            raise EffectNotDone("the bank is closed")
        if doubtful:
            raise TimeoutError("the line went dead")
        paid.append(claim)
        return f"paid {cents}"

    script = [calls(("pay", {"claim": "C-[red]1", "cents": 48000})), "Done."]
    graph = guard.compile(agent(script, [pay]), name="claims")
    try:
        yield Desk(guard, graph, paid, doubtful, handed)
    finally:
        guard.database.close()


@pytest.fixture
def desk(line: Line) -> Iterator[Desk]:
    """A claims desk on the command line's database."""
    with opened_desk(line, f"sqlite:///{line.folder / 'guardkit.db'}") as opened:
        yield opened


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """An office in the current folder, and its configuration in the environment."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "people.yaml").write_text(OFFICE_PEOPLE)
    key = Keys.generate().decision_key
    assert key is not None
    environment = {
        "GUARDKIT_DATABASE": f"sqlite:///{tmp_path / 'guardkit.db'}",
        "GUARDKIT_POLICY": "policy.yaml",
        "GUARDKIT_DECISION_KEY": key.get_secret_value(),
        "GUARDKIT_DECISION_PUBLIC_KEYS": Signer(key.get_secret_value()).public_key,
    }
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GUARDKIT_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    upgrade(environment["GUARDKIT_DATABASE"])
    with Database(environment["GUARDKIT_DATABASE"]) as database:
        yield Office(SQLStore(database), environment)
