"""Agents with a past, written into a real database at the times when it would have happened."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import update

from guardkit.core.anomalies import Watch
from guardkit.core.audit import AuditEvent
from guardkit.core.principals import Principal
from guardkit.core.runs import Closing, Opening
from guardkit.core.values import Json, JsonObject
from guardkit.sql import Database, SQLAnomalies, SQLStore, audit
from guardkit.sql.tables import threads, turns

HOUR = 3600


@dataclass
class Desk:
    """One database, and what agents did."""

    database: Database
    watch: Watch = field(default_factory=lambda: Watch(windows=(HOUR,)))

    def __post_init__(self) -> None:
        self.store = SQLStore(self.database)
        self.anomalies = SQLAnomalies(self.database)
        left = HOUR - self.database.now() % HOUR
        if left < 60:  # the hour must not turn while a test runs
            time.sleep(left + 0.1)
        self.window = self.database.now() // HOUR * HOUR
        self._threads = 0

    def open_turn(self, agent: str, *, tenant: str = "default", at: float | None = None) -> tuple[str, int]:
        """A turn of an agent, at a time; now, if none is given."""
        self._threads += 1
        opened = self.store.open_run(
            Opening(
                tenant=tenant,
                thread_id=f"t{self._threads}",
                agent=agent,
                owner="test",
                fingerprint="f",
                policy_version="1",
                principal=Principal(id="kim", tenant=tenant),
                new_turn=True,
                lease_seconds=30,
                input=None,
            ),
            [],
        )
        self.store.close_run(opened.run, Closing(status="done", active_seconds=0, tool_calls=0, steps=0), [])
        if at is not None:
            with self.database.writing() as connection:
                for table in (turns, threads):
                    connection.execute(
                        update(table)
                        .where(table.c.tenant == tenant, table.c.thread_id == opened.run.thread_id)
                        .values(opened_at=at)
                    )
        return opened.run.thread_id, opened.run.turn

    def tell(
        self,
        thread: tuple[str, int],
        kinds: Iterable[tuple[str, JsonObject]],
        *,
        tenant: str = "default",
        at: float | None = None,
    ) -> None:
        """Write audit entries about a turn."""
        events = [
            AuditEvent(kind=kind, thread_id=thread[0], turn=thread[1], data=data) for kind, data in kinds
        ]
        with self.database.writing() as connection:
            audit.append(connection, tenant, events, self.database.now() if at is None else at)

    def live(
        self,
        agent: str = "claims",
        *,
        windows: int = 30,
        blocked: Sequence[int] = (0,),
        actions: int = 10,
        until: float | None = None,
        tenant: str = "default",
        seconds: int = HOUR,
    ) -> None:
        """A past of so many windows, in the last of which nothing happens any more: `blocked` says how many of the
        actions of each are, over and over."""
        end = self.window if until is None else until
        for number in range(windows):
            at = end - (windows - number) * seconds + 60.0
            thread = self.open_turn(agent, tenant=tenant, at=at)
            bad = blocked[number % len(blocked)]
            self.tell(thread, acts(actions, bad), tenant=tenant, at=at)

    def burst(
        self, agent: str = "claims", *, blocked: int = 8, actions: int = 10, tenant: str = "default"
    ) -> None:
        """Actions of now."""
        self.tell(self.open_turn(agent, tenant=tenant), acts(actions, blocked), tenant=tenant)


def acts(actions: int, blocked: int = 0, tool: str = "look_up") -> list[tuple[str, JsonObject]]:
    """Proposed actions, of which some are blocked."""
    return [
        (
            "action.decided",
            {
                "action": f"a{number}",
                "tool": tool,
                "decision": "reject" if number < blocked else "allow",
                "rules": [],
            },
        )
        for number in range(actions)
    ]


def happened(name: str, times: int, **data: Json) -> list[tuple[str, JsonObject]]:
    """The same entry several times."""
    return [(name, {"tool": "look_up", **data}) for _ in range(times)]
