"""Finding threads, from the command line."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import out, store
from guardkit.cli.tail import instant
from guardkit.core.runs import TurnStatus
from guardkit.core.threads import ThreadQuery, ThreadSummary
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.sql import SQLStore

app = typer.Typer(no_args_is_help=True, help="Threads.")

Tenant = Annotated[str, typer.Option(help="Whose threads.")]
Status = Annotated[TurnStatus | None, typer.Option(help="Where the latest turn stands.")]
Agent = Annotated[str | None, typer.Option(help="The agent that ran last.")]
Of = Annotated[str | None, typer.Option("--principal", help="Whom the latest turn acts for.")]
Pending = Annotated[
    bool | None, typer.Option("--pending/--no-pending", help="Whether a question to people is open.")
]
Prefix = Annotated[str | None, typer.Option(help="What the thread's id begins with.")]
Since = Annotated[str | None, typer.Option(help="Last active then or later: 15m, 3d or a date and time.")]
Until = Annotated[str | None, typer.Option(help="Last active before.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list")
def threads_list(
    tenant: Tenant = "default",
    status: Status = None,
    agent: Agent = None,
    principal: Of = None,
    pending: Pending = None,
    prefix: Prefix = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="The most threads, 1 to 1000.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list has ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """List threads, last active first."""
    with store() as found:
        query = _query(found, tenant, status, agent, principal, pending, prefix, since, until)
        page = found.find_threads(query, limit=limit, cursor=cursor)
    if as_json:
        sys.stdout.write(page.model_dump_json() + "\n")
        return
    table = Table("thread", "agent", "status", "turn", "last active", "acts for", "pending", "dead letter")
    for one in page.threads:
        table.add_row(
            _shown(one.thread_id), _shown(one.agent), one.status.value, str(one.turn), _time(one.active_at),
            _shown(one.principal.id), str(one.pending_approvals), _shown(one.dead_letter or ""),
        )  # fmt: skip
    out.print(table)
    if page.next is not None:
        out.print(f"more: --cursor {page.next}", soft_wrap=True, highlight=False)


@app.command("show")
def threads_show(thread_id: str, tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """Show one thread. `guardkit trace` tells what happened in it."""
    with store() as found:
        thread = found.find_thread(tenant, thread_id)
    if thread is None:
        raise InputError(
            f"tenant {tenant!r} has no thread {thread_id!r}",
            remedy="see guardkit threads list; name another tenant with --tenant",
        )
    if as_json:
        sys.stdout.write(thread.model_dump_json() + "\n")
        return
    for name, said in _facts(thread).items():
        out.print(f"{name:<18} {_shown(said)}", highlight=False, soft_wrap=True)


@app.command("count")
def threads_count(
    tenant: Tenant = "default",
    status: Status = None,
    agent: Agent = None,
    principal: Of = None,
    pending: Pending = None,
    prefix: Prefix = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Count threads by agent and status."""
    with store() as found:
        query = _query(found, tenant, status, agent, principal, pending, prefix, since, until)
        counts = found.count_threads(query)
    if as_json:
        sys.stdout.write(json.dumps([one.model_dump(mode="json") for one in counts]) + "\n")
        return
    table = Table("agent", "status", "threads")
    for one in counts:
        table.add_row(_shown(one.agent), one.status.value, str(one.threads))
    out.print(table)


def _query(
    found: SQLStore,
    tenant: str,
    status: TurnStatus | None,
    agent: str | None,
    principal: str | None,
    pending: bool | None,
    prefix: str | None,
    since: str | None,
    until: str | None,
) -> ThreadQuery:
    now = found.now()
    return ThreadQuery(
        tenant=tenant,
        status=status,
        agent=agent,
        principal=principal,
        pending=pending,
        prefix=prefix,
        since=None if since is None else instant("--since", since, now),
        until=None if until is None else instant("--until", until, now),
    )


def _facts(thread: ThreadSummary) -> dict[str, str]:
    facts = {
        "thread": thread.thread_id,
        "tenant": thread.tenant,
        "agent": thread.agent,
        "turn": str(thread.turn),
        "status": thread.status.value,
        "acts for": thread.principal.id,
        "turn opened": _time(thread.opened_at),
        "last active": _time(thread.active_at),
        "pending approvals": str(thread.pending_approvals),
    }
    return facts if thread.dead_letter is None else {**facts, "dead letter": thread.dead_letter}


def _shown(text: str) -> str:
    return escape(one_line(text, 200))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
