"""Questions to people, from the command line."""

import io
import json
import sys
from itertools import islice
from typing import Annotated

import typer

from guardkit.channels import Console
from guardkit.cli import cancelling, deciding, redriving, standing, stats, watching
from guardkit.cli.base import directory, err, out, settings, store
from guardkit.cli.deciding import ApprovalId, AsJson
from guardkit.cli.ending import dumped, ending, write
from guardkit.cli.finding import found as find
from guardkit.cli.listing import (
    Agent,
    AskedBy,
    Filters,
    For,
    Mine,
    Shown,
    Tenant,
    Thread,
    Tool,
    WaitsFor,
    known,
    print_list,
    whose,
)
from guardkit.cli.readers import until_nobody_reads
from guardkit.cli.told import ShownTold, tell
from guardkit.core.allowances import offered
from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.places import Place
from guardkit.core.presentation import utc
from guardkit.core.values import JsonObject
from guardkit.errors import InputError
from guardkit.policy.durations import parse_duration
from guardkit.runtime.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Questions to people.")
app.command("approve")(deciding.approve)
app.command("reject")(deciding.reject)
app.command("edit")(deciding.edit)
app.command("respond")(deciding.respond)
app.command("decide")(deciding.decide)
app.command("cancel")(cancelling.cancel)
app.command("redrive")(redriving.redrive)
app.command("watch")(watching.watch)
app.command("stats")(stats.stats)
app.add_typer(standing.app, name="standing")


@app.callback()
def can_print_anything() -> None:
    """Questions to people."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode is shown codes
            stream.reconfigure(errors="backslashreplace")


@app.command("list")
def approvals_list(
    tenant: Tenant = None,
    thread: Thread = None,
    agent: Agent = None,
    tool: Tool = None,
    status: Annotated[
        list[ApprovalState] | None,
        typer.Option(help="Only these states; repeatable. Pending if none is named."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    person: For = None,
    mine: Mine = False,
    asked_by: AskedBy = None,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Only what was asked so long ago or longer: 30m, 8h, 2d."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on behind this one, where a list has ended.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The most approvals.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List questions to people, newest first."""
    with ending(as_json=False), store() as found:
        person = whose(person, mine=mine)
        states = _states(status, everything=everything, for_somebody=person is not None)
        filters = Filters(
            tenant=tenant,
            thread=thread,
            agent=agent,
            tool=tool,
            waits_for=None if person is None else WaitsFor(directory(), person),
            asked_by=None if asked_by is None else known(directory(), asked_by, option="--asked-by"),
        )
        now = found.now()
        place = None if older_than is None else Place(requested_at=now - _age(older_than), id="")
        if after is not None:
            last = Place.of(find(found, after))
            place = last if place is None else max(place, last, key=lambda one: (-one.requested_at, one.id))
        listed = list(islice(filters.listed(found, states, place), limit + 1))
    shown = [Shown.of(one) for one in listed[:limit]]
    with until_nobody_reads():
        if as_json:
            sys.stdout.write(f"[{','.join(map(dumped, shown))}]\n")
        else:
            print_list(shown, now)
        sys.stdout.flush()
    if len(listed) > limit:
        err.print(f"more: --after {shown[-1].id}", soft_wrap=True, highlight=False)


def _states(
    status: list[ApprovalState] | None, *, everything: bool, for_somebody: bool
) -> list[ApprovalState] | None:
    if everything and status:
        raise InputError("--all and --status exclude each other")
    if for_somebody and (everything or status not in (None, [], [ApprovalState.PENDING])):
        raise InputError("--for lists what waits for somebody: what is settled waits for nobody")
    return None if everything else status or [ApprovalState.PENDING]


def _age(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"--older-than {error}", remedy="write it like 30m, 8h or 1h30m") from None


@app.command("show")
def approvals_show(
    approval_id: ApprovalId,
    whole: Annotated[
        bool, typer.Option("--whole", help="All arguments and reads, uncut, as JSON in ASCII.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one question as people see it, or what became of it, and what was shown to whom."""
    with ending(as_json=as_json):
        with store() as found:
            approval = find(found, approval_id)
            messages = found.messages_about(approval)
        if whole:
            values: JsonObject = {"arguments": approval.args, "reads": approval.request.action.reads}
            sys.stdout.write(json.dumps(values, indent=2) + "\n")
        elif as_json:
            write(ShownTold.told(approval, messages))
        else:
            shown = Console(file=sys.stdout).show(approval)
            tell(approval, messages)
            if approval.state is ApprovalState.PENDING:
                out.print(f"shown {shown}", soft_wrap=True, highlight=False)
                if approval.request.standing is not None:
                    out.print(
                        f"a yes may add {offered(approval.request.standing)}", soft_wrap=True, markup=False
                    )


@app.command("break-glass")
def approvals_break_glass(
    approval_id: ApprovalId,
    person: Annotated[
        str, typer.Option("--as", help="Who breaks the glass, as the people directory knows them.")
    ],
    reason: Annotated[str, typer.Option(help="What the emergency is.")],
    digest: Annotated[str, typer.Option(help="The digest that was shown; another one is refused.")],
) -> None:
    """Settle a question alone in an emergency, where the policy names the person, at assurance local_operator."""
    deciding.check_digest(digest)
    configured = settings()
    with store() as found:
        approval = find(found, approval_id)
        deciding.check_shown(approval, digest)
        desk = Desk(found, directory(), configured.keys.decision_signer())
        result = desk.emergencies.break_glass(
            approval.request.id,
            identity=person,
            digest=approval.digest,
            reason=reason,
            assurance=Assurance.LOCAL_OPERATOR,
            via="cli",
        )
        review = found.review(result.request.tenant, approval.request.id)
    out.print(f"[bold red]the glass is broken[/]: approval is {result.state.value}")
    if review is not None:
        out.print(f"review due {utc(review.due_at)}; see guardkit reviews list")
