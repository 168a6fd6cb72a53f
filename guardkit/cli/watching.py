"""Watching questions to people as they come and go, from the command line."""

import sys
import time
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

import typer

from guardkit.channels import Console
from guardkit.cli.base import directory, store
from guardkit.cli.deciding import AsJson
from guardkit.cli.ending import write
from guardkit.cli.listing import Agent, Filters, For, Shown, Tenant, Thread, Tool, WaitsFor
from guardkit.cli.readers import Asked, until_nobody_reads, wait
from guardkit.cli.tail import Follower
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.values import Value
from guardkit.sql import SQLStore
from guardkit.sql.news import News

_LISTENS = 0.25
"""Seconds for which news is waited for at a time, and so at the end."""

_GAP = 0.05
"""Seconds between two looks that news begins: a busy database does not keep this busy."""

_UNHEARD = 2.0
_HEARD = 30.0
_PENDING = (ApprovalState.PENDING,)

What: TypeAlias = Literal["waiting", "changed", "settled"]


class Happened(Value):
    """One thing that has happened to an approval, as `--json` prints it."""

    event: What
    """`waiting`: it is there; `changed`: somebody has answered, and others still have to; `settled`: it is over."""

    approval: Shown
    """As it stands with that."""


def watch(
    tenant: Tenant = None,
    thread: Thread = None,
    agent: Agent = None,
    tool: Tool = None,
    person: For = None,
    every: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Seconds between two looks at most. By default 30; 2 where the database tells no news.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show questions as they come, and what becomes of them, until interrupted."""
    asked = Asked()
    with store() as found, until_nobody_reads(), asked.heard():
        filters = Filters(
            tenant=tenant,
            thread=thread,
            agent=agent,
            tool=tool,
            waits_for=None if person is None else WaitsFor(directory(), person),
        )
        news = found.news()
        try:
            news.wait(0)  # from here on nothing is missed
            watcher = Watcher(found, filters)
            wait_at_most = every or (_HEARD if news.hears else _UNHEARD)
            while not asked.to_end:
                for what, approval in watcher.look():
                    _show(what, approval, as_json=as_json)
                _until_news(news, wait_at_most, asked)
        finally:
            news.close()


def _show(what: What, approval: Approval, *, as_json: bool) -> None:
    if as_json:
        write(Happened(event=what, approval=Shown.of(approval)))
        sys.stdout.flush()
    else:
        Console(file=sys.stdout).show(approval)


def _until_news(news: News, seconds: float, asked: Asked) -> None:
    """Wait for news, or for so long, or for the end.

    Raises:
        BrokenPipeError: nobody reads standard output any more.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not asked.to_end:
        if news.wait(min(left, _LISTENS)):
            break
        wait(0)
    wait(_GAP)


class Watcher:
    """What happens to the approvals that are meant. Nothing is left out, however fast it comes and goes.

    Approvals change in the transaction that writes it into the audit log, and the log has no gaps: what is new there
    says which approvals to look at.

    Args:
        store: where approvals and the audit log are.
        filters: which approvals are meant.
    """

    def __init__(self, store: SQLStore, filters: Filters) -> None:
        self._store = store
        self._filters = filters
        self._versions: dict[str, int] = {}
        self._follower = Follower(store, filters.tenant, store.heads())
        self._listed_at: float | None = None

    def look(self) -> Iterator[tuple[What, Approval]]:
        """At first what waits, oldest first; then what has happened since, in its order."""
        for entry in self._follower.new():
            self._follower.position[entry.tenant] = entry.seq
            about = entry.event.data.get("approval")
            if not entry.event.kind.startswith("approval.") or not isinstance(about, str):
                continue
            approval = self._store.find(about)
            if approval is not None:
                what = self._seen(approval, is_new=entry.event.kind == "approval.requested")
                if what is not None:
                    yield what, approval
        if self._is_to_list():
            self._listed_at = time.monotonic()
            for approval in reversed(list(self._filters.listed(self._store, _PENDING, None))):
                if approval.request.id not in self._versions:
                    self._versions[approval.request.id] = approval.version
                    yield "waiting", approval

    def _is_to_list(self) -> bool:
        """Whether to look at all that waits: at first, and now and then where time alone makes somebody an approver."""
        if self._listed_at is None:
            return True
        return self._filters.waits_for is not None and time.monotonic() - self._listed_at >= _HEARD

    def _seen(self, approval: Approval, *, is_new: bool) -> What | None:
        known = self._versions.get(approval.request.id)
        if approval.state.settled:
            self._versions.pop(approval.request.id, None)
            meant = known is not None or (is_new and self._filters.wants(approval, self._store.now()))
            return "settled" if meant else None
        if known == approval.version:
            return None
        if known is None and not self._filters.wants(approval, self._store.now()):
            return None
        self._versions[approval.request.id] = approval.version
        return "waiting" if known is None else "changed"
