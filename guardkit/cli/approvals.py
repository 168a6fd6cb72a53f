"""Questions to people, from the command line."""

import contextlib
import re
import sys
import time
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.channels import Console
from guardkit.cli.base import directory_of, out, settings, store
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.digest import parse
from guardkit.core.people import Assurance
from guardkit.core.presentation import present, utc
from guardkit.core.values import JsonObject
from guardkit.errors import CanonicalError, InputError
from guardkit.runtime.desk import Desk
from guardkit.sql import SQLStore

app = typer.Typer(no_args_is_help=True, help="Questions to people.")

_WAITING = (ApprovalState.PENDING,)

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list")
def approvals_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List questions to people, newest first."""
    with store() as found:
        listed = found.listed(tenant=tenant, states=None if everything else _WAITING, limit=limit)
    shown = [present(one) for one in listed]
    if as_json:
        sys.stdout.write(f"[{','.join(one.model_dump_json() for one in shown)}]\n")
        return
    table = Table("id", "state", "tool", "thread", "asked for", "why")
    for one in shown:
        why = escape("; ".join(one.why))
        table.add_row(
            one.id, one.state.value, escape(one.tool), escape(one.thread_id), escape(one.asked_by), why
        )
    out.print(table)


@app.command("show")
def approvals_show(approval_id: str, as_json: AsJson = False) -> None:
    """Show one question as people see it, or what became of it."""
    with store() as found:
        approval = _found(found, approval_id)
    if as_json:
        sys.stdout.write(present(approval).model_dump_json() + "\n")
    else:
        Console(file=sys.stdout).show(approval)


@app.command("watch")
def approvals_watch(
    tenant: Annotated[str | None, typer.Option()] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Show questions as they come, and what becomes of them, until interrupted."""
    console = Console(file=sys.stdout)
    seen: dict[str, str] = {}
    with store() as found, contextlib.suppress(KeyboardInterrupt):
        while True:
            waiting = {
                one.request.id: one for one in found.listed(tenant=tenant, states=_WAITING, limit=1000)
            }
            for gone in [one for one in seen if one not in waiting]:
                del seen[gone]
                console.show(_found(found, gone))
            for approval in reversed(waiting.values()):
                if seen.get(approval.request.id) != approval.digest:
                    seen[approval.request.id] = approval.digest
                    console.show(approval)
            time.sleep(every)


@app.command("decide")
def approvals_decide(
    approval_id: str,
    decision: Annotated[str, typer.Argument(help="approve, edit, reject or respond.")],
    person: Annotated[str, typer.Option("--as", help="Who decides, as the people directory knows them.")],
    reason: Annotated[str | None, typer.Option()] = None,
    args: Annotated[
        str | None, typer.Option(help="For edit: a JSON object of what changes; - reads it.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="The digest that was shown; another one is refused.")
    ] = None,
) -> None:
    """Decide at the machine, at assurance local_operator."""
    if decision not in ("approve", "edit", "reject", "respond"):
        raise InputError(f"decision {decision!r} is not approve, edit, reject or respond")
    if (decision == "edit") != (args is not None):
        raise InputError("--args goes with edit, and only with it")
    if digest is not None and not re.fullmatch(r"[0-9a-f]{12,64}", digest):
        raise InputError("--digest takes 12 hex digits or more", remedy="see guardkit approvals show")
    changes = None if args is None else _changes(args)
    configured = settings()
    directory = directory_of(configured)
    with store() as found:
        approval = _found(found, approval_id)
        if digest is not None and not approval.digest.startswith(digest):
            raise InputError(
                f"approval {approval_id!r} is about another action now: digest {approval.digest[:12]}",
                remedy="somebody edited it: see guardkit approvals show",
            )
        shown = present(approval)
        out.print(f"{escape(shown.title)}  {shown.digest_short}")
        result = Desk(found, directory, configured.keys.decision_signer()).decide(
            approval_id,
            identity=person,
            digest=approval.digest,
            kind=decision,
            assurance=Assurance.LOCAL_OPERATOR,
            via="cli",
            reason=reason,
            args=None if changes is None else {**approval.args, **changes},
        )
    out.print(f"approval is {result.state.value}")


@app.command("break-glass")
def approvals_break_glass(
    approval_id: str,
    person: Annotated[
        str, typer.Option("--as", help="Who breaks the glass, as the people directory knows them.")
    ],
    reason: Annotated[str, typer.Option(help="What the emergency is.")],
    digest: Annotated[str, typer.Option(help="The digest that was shown; another one is refused.")],
) -> None:
    """Settle a question alone in an emergency, where the policy names the person, at assurance local_operator."""
    configured = settings()
    with store() as found:
        approval = _found(found, approval_id)
        if not re.fullmatch(r"[0-9a-f]{12,64}", digest) or not approval.digest.startswith(digest):
            raise InputError(
                f"--digest is not that of approval {approval_id!r}, or has fewer than 12 hex digits",
                remedy="see guardkit approvals show",
            )
        desk = Desk(found, directory_of(configured), configured.keys.decision_signer())
        result = desk.emergencies.break_glass(
            approval_id,
            identity=person,
            digest=approval.digest,
            reason=reason,
            assurance=Assurance.LOCAL_OPERATOR,
            via="cli",
        )
        review = found.review(result.request.tenant, approval_id)
    out.print(f"[bold red]the glass is broken[/]: approval is {result.state.value}")
    if review is not None:
        out.print(f"review due {utc(review.due_at)}; see guardkit reviews list")


def _changes(text: str) -> JsonObject:
    try:
        changes = parse(sys.stdin.read() if text == "-" else text, path="--args")
    except CanonicalError as error:
        raise InputError(f"--args is not JSON: {error}") from error
    if not isinstance(changes, dict) or not changes:
        raise InputError("--args is not a JSON object with what changes")
    return changes


def _found(found: SQLStore, approval_id: str) -> Approval:
    approval = found.find(approval_id)
    if approval is None:
        raise InputError(f"no approval {approval_id!r}", remedy="see guardkit approvals list")
    return approval
