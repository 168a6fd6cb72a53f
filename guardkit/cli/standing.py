"""Standing approvals, from the command line: what is still allowed without a question, and ending it."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from guardkit.cli.base import directory, err, out, settings, store
from guardkit.cli.ending import ending, write
from guardkit.core.allowances import SCOPES, bound, remaining
from guardkit.core.people import Assurance
from guardkit.core.presentation import utc
from guardkit.core.standing import StandingApproval, StandingScope, StandingState, StandingWish
from guardkit.core.values import JsonObject, Value
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.runtime.standing import StandingDesk
from guardkit.sql import SQLStore

app = typer.Typer(no_args_is_help=True, help="Standing approvals: a yes to one action and to all like it.")

StandingId = Annotated[str, typer.Argument(help="The id, or four digits or more of its beginning.")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant's.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]

_LEAST = 4
_SHORT = 12
_LISTED = 100_000


class Shown(Value):
    """A standing approval as `--json` prints it. Times are seconds since the epoch."""

    id: str
    state: StandingState
    tenant: str
    agent: str
    tool: str
    scope: StandingScope
    thread_id: str
    """Where it was given; with scope `thread` the only one in which it is good for something."""

    requester: str
    """Whom the turns act for."""

    same: JsonObject
    """Arguments that must be so."""

    rules: tuple[str, ...]
    givers: tuple[str, ...]
    approval: str
    """The question that it was given with."""

    given_at: float
    until: float
    uses: int
    uses_left: int
    argument: str | None
    """The argument that is summed, if one is limited."""

    at_most: str | None
    amount_left: str | None
    revoked_by: str | None
    revoked_why: str | None
    revoked_at: float | None

    @classmethod
    def of(cls, standing: StandingApproval, now: float) -> "Shown":
        """A standing approval at a time, by the database's clock."""
        grant, ended = standing.grant, standing.revocation
        return cls(
            id=grant.id,
            state=standing.state(now),
            tenant=grant.subject.tenant,
            agent=grant.subject.agent,
            tool=grant.subject.tool,
            scope=grant.scope,
            thread_id=grant.subject.thread_id,
            requester=grant.subject.principal.id,
            same=grant.subject.same,
            rules=grant.subject.rules,
            givers=grant.givers,
            approval=grant.approval_id,
            given_at=grant.given_at,
            until=grant.until,
            uses=grant.uses,
            uses_left=standing.uses_left,
            argument=None if grant.amount is None else grant.amount.argument,
            at_most=None if grant.amount is None else grant.amount.at_most,
            amount_left=standing.amount_left,
            revoked_by=None if ended is None else ended.by,
            revoked_why=None if ended is None else ended.why,
            revoked_at=None if ended is None else ended.at,
        )


class Listed(Value):
    """A list of standing approvals, newest first."""

    items: tuple[Shown, ...]


def wish_of(
    scope: str | None, hours: float | None, uses: int | None, amount: str | None
) -> StandingWish | None:
    """What the options of `approve` ask for beside the yes.

    Raises:
        InputError: they do not go together, or cannot be used.
    """
    if scope is None:
        if (hours, uses, amount) != (None, None, None):
            raise InputError("--hours, --uses and --amount go with --standing, and only with it")
        return None
    if scope not in ("thread", "requester"):
        raise InputError(f"--standing {one_line(scope, 40)!r} is not thread or requester")
    if hours is None or uses is None:
        raise InputError("--standing needs --hours and --uses", remedy="say how long, and how many more")
    return StandingWish(scope=scope, seconds=hours * 3600.0, uses=uses, at_most=amount)


@app.command("list")
def standing_list(
    tenant: Tenant = None,
    thread: Annotated[str | None, typer.Option(help="Only those that were given in this thread.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is used up, over or revoked.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List standing approvals, newest first."""
    with ending(as_json=False), store() as found:
        listed = found.standing_approvals(
            tenant, thread_id=thread, active=None if everything else True, limit=limit
        )
        now = found.now()
    if as_json:
        write(Listed(items=tuple(Shown.of(one, now) for one in listed)))
        return
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("id", "state", "tool", "for", "left", "until", "given by"):
        table.add_column(name, overflow="fold")
    for one in listed:
        grant = one.grant
        cells = (
            one.id[:_SHORT], one.state(now), grant.subject.tool,
            f"{grant.subject.principal.id}, {SCOPES[grant.scope]}", remaining(one), utc(grant.until),
            ", ".join(grant.givers),
        )  # fmt: skip
        table.add_row(*(Text(one_line(cell, 120)) for cell in cells))
    out.print(table)


@app.command("show")
def standing_show(standing_id: StandingId, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Show one: what it is good for, what is left, who gave it."""
    with ending(as_json=as_json):
        with store() as found:
            standing = _find(found, standing_id, tenant)
            now = found.now()
        if as_json:
            write(Shown.of(standing, now))
        else:
            _print(standing, now)


@app.command("revoke")
def standing_revoke(
    standing_id: StandingId,
    why: Annotated[str, typer.Option(help="Kept with it.")],
    person: Annotated[
        str | None, typer.Option("--as", help="Who ends it, as the people directory knows them.")
    ] = None,
    operator: Annotated[
        str | None, typer.Option("--by", help="The operator who ends it; goes into the audit log.")
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """End one, at once, as a person or as an operator."""
    with ending(as_json=as_json):
        if (person is None) == (operator is None):
            raise InputError("say who ends it: --as for a person, --by for an operator")
        people, signer = directory(), settings().keys.decision_signer()
        with store() as found:
            desk = StandingDesk(found, people, signer)
            standing = _find(found, standing_id, tenant)
            if person is not None:
                after = desk.revoke(
                    standing.id, identity=person, why=why, assurance=Assurance.LOCAL_OPERATOR, via="cli"
                )
            else:
                owner = standing.grant.subject.tenant
                after = desk.revoke_as_operator(standing.id, tenant=owner, by=operator or "", why=why)
            now = found.now()
        if as_json:
            write(Shown.of(after, now))
        else:
            out.print("standing approval is revoked")


def _find(found: SQLStore, beginning: str, tenant: str | None) -> StandingApproval:
    if len(beginning) < _LEAST:
        raise InputError(f"{beginning!r} is too short", remedy="four digits of the id or more")
    fitting = [one for one in found.standing_approvals(tenant, limit=_LISTED) if one.id.startswith(beginning)]
    if not fitting:
        raise InputError(
            f"there is no standing approval {one_line(beginning, 64)!r}",
            remedy="see guardkit approvals standing list --all",
        )
    if len(fitting) > 1:
        raise InputError(
            f"{len(fitting)} standing approvals begin with {beginning!r}", remedy="say more of it"
        )
    return fitting[0]


def _print(standing: StandingApproval, now: float) -> None:
    grant, ended = standing.grant, standing.revocation
    lines = [
        ("id", grant.id),
        ("state", standing.state(now)),
        ("tool", grant.subject.tool),
        ("agent", grant.subject.agent),
        ("for", f"{grant.subject.principal.id} (tenant {grant.subject.tenant})"),
        ("where", f"{SCOPES[grant.scope]}; given in {grant.subject.thread_id}"),
        *(("same", text) for text in bound(standing)),
        ("rules", ", ".join(grant.subject.rules)),
        ("left", remaining(standing)),
        ("until", utc(grant.until)),
        ("given", f"{utc(grant.given_at)} by {', '.join(grant.givers)}, with approval {grant.approval_id}"),
    ]
    if ended is not None:
        lines.append(("revoked", f"{utc(ended.at)} by {ended.by}, via {ended.via}: {ended.why}"))
    for label, text in lines:
        out.print(Text.assemble((f"{label:<8}", "dim"), one_line(text, 1000)), soft_wrap=True)


def tell_given(standing: str | None) -> None:
    """Say what became of the wish that went with a yes."""
    if standing is None:
        err.print("no standing approval yet: others have to agree, and to say it too")
    else:
        out.print(f"standing approval {standing} is given", soft_wrap=True, highlight=False)
