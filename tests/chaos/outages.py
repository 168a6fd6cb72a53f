"""One trial of the outage campaign: connections are cut in the middle of transactions, and the server crashes, while all work."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tests.chaos.kills import Plan, Troupe, held, quiet
from tests.chaos.oracle import Findings, judge
from tests.chaos.processes import STOP
from tests.chaos.scene import Scene, folder_for
from tests.chaos.scripts import script
from tests.sql.servers import Server

DEADLINE = 400.0
"""Seconds after which a trial that is not quiet has failed."""

CUTS = 10
"""How often something is cut in a trial."""

_BUSY = {
    "postgresql": """SELECT pid FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()
        AND state <> 'idle' AND backend_type = 'client backend'""",
    "mysql": """SELECT p.id FROM information_schema.innodb_trx t JOIN information_schema.processlist p
        ON p.id = t.trx_mysql_thread_id WHERE p.db = :name""",
}
"""The sessions that are in a transaction."""

_ALL = {
    "postgresql": """SELECT pid FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'""",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = :name",
}
_END = {"postgresql": "SELECT pg_terminate_backend(:session)", "mysql": "KILL CONNECTION :session"}


def trial(seed: int, number: int, parent: Path, server: Server) -> Findings:
    """Run one trial and judge it.

    Args:
        seed: the campaign's.
        number: the trial's.
        parent: where its folder is made.
        server: crashes in the trial, and runs again afterwards.
    """
    name = f"{seed}:{number}"
    rng = random.Random(name)
    plotted = Plan(
        seed=name,
        shape=rng.choice(("node", "fan", "code")),
        in_async=rng.random() < 0.5,
        on_expiry=rng.choice(("reject", "no_result")),
        scripts={f"t{one}": script(rng, f"{number}t{one}", batches=2, hurried=False) for one in range(3)},
        faults={"agent": [], "worker": [], "desk": []},
    )
    database = f"guardkit_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {database}")
    try:
        return _tried(plotted, folder_for(parent, f"trial-{number}", server.of(database)), server, database)
    finally:
        forced = " WITH (FORCE)" if server.url.startswith("postgresql") else ""
        server.execute(f"DROP DATABASE {database}{forced}")


def _tried(plotted: Plan, folder: Path, server: Server, database: str) -> Findings:
    scene = Scene(folder, on_expiry=plotted.on_expiry)
    graph = scene.graph(plotted.shape, in_async=plotted.in_async)
    troupe = Troupe(plotted, folder, steadfast=True)
    saboteur = Saboteur(server, database, random.Random(f"{plotted.seed}:cuts"))
    problems: list[str] = []
    try:
        saboteur.start()
        until = time.monotonic() + DEADLINE
        while not (saboteur.is_over and troupe.agent_is_over() and quiet(scene) and not _held(scene)):
            if time.monotonic() > until:
                problems.append(f"not quiet after {DEADLINE:g} s")
                break
            troupe.tend()
            time.sleep(0.05)
        saboteur.join(DEADLINE)
        (folder / STOP).touch()
        problems += troupe.leave()
        found = judge(scene, graph, plotted.scripts.values())
    finally:
        troupe.kill()
        scene.close()
    found.other += [*problems, *saboteur.problems]
    found.counts.update(saboteur.counts)
    return found


def _held(scene: Scene) -> bool:
    with suppress(SQLAlchemyError):
        return held(scene)
    return True


class Saboteur(threading.Thread):
    """Cuts connections, most of them in a transaction, and crashes the server once.

    Args:
        server: of the trial.
        database: its database.
        rng: says what and when.
    """

    def __init__(self, server: Server, database: str, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._database = database
        self._rng = rng
        self._engine = create_engine(server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether it has done its worst."""
        return not self.is_alive()

    def run(self) -> None:
        """Do it."""
        crash_at = self._rng.randrange(2, CUTS)
        try:
            for number in range(CUTS):
                time.sleep(self._rng.random() * 0.3)
                if number == crash_at:
                    self._server.crash()
                    time.sleep(self._rng.random() * 0.5)
                    self._server.start()
                    self.counts["server crashed"] += 1
                else:
                    self._cut(everybody=self._rng.random() < 0.2)
        except Exception as error:  # noqa: BLE001  # told with the findings
            self.problems.append(f"the saboteur failed: {error!r}")
            if not self._server.runs:
                self._server.start()

    def _cut(self, *, everybody: bool) -> None:
        kind = self._engine.dialect.name
        with self._engine.connect() as connection:
            for _ in range(1 if everybody else 200):
                chosen = text((_ALL if everybody else _BUSY)[kind])
                found = list(connection.execute(chosen, {"name": self._database}).scalars())
                if found:
                    break
            for session in found if everybody else found[:1]:
                with suppress(DBAPIError):  # it has ended by itself
                    connection.execute(text(_END[kind]), {"session": session})
                    self.counts["cut everybody" if everybody else "cut in a transaction"] += 1
