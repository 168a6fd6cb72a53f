"""The ledger of side effects, from the command line."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import Operator, out, store
from guardkit.cli.ending import ending, write
from guardkit.core.effects import EffectRecord, EffectState
from guardkit.core.presentation import utc
from guardkit.core.values import Json, Value
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.runtime.tools import idempotency_key

Tenant = Annotated[str, typer.Option()]

app = typer.Typer(no_args_is_help=True, help="The ledger of side effects.")


@app.command("list")
def effects_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    state: Annotated[EffectState | None, typer.Option()] = None,
) -> None:
    """List the ledger."""
    table = Table("key", "tool", "state", "attempt", "thread", "approval")
    with store() as found:
        for row in found.effects(tenant=tenant, state=state):
            table.add_row(
                escape(row.key),
                escape(row.tool),
                row.state.value,
                str(row.attempt),
                escape(row.thread_id),
                row.approval_id or "",
            )
    out.print(table)


class Shown(Value):
    """One row of the ledger as `--json` prints it. Times are seconds since the epoch."""

    tenant: str
    key: str
    outside: str
    """The idempotency key that the tool handed to the outside."""

    tool: str
    state: EffectState
    attempt: int
    thread_id: str
    turn: int
    action: str
    digest: str
    approval: str | None
    standing: str | None
    claimed_at: float
    deadline: float | None
    """Until when the attempt may still reach the outside."""

    settled_at: float | None

    @classmethod
    def of(cls, record: EffectRecord) -> "Shown":
        """What the row says, but for the result."""
        return cls(
            tenant=record.tenant,
            key=record.key,
            outside=idempotency_key(record.tenant, record.key),
            tool=record.tool,
            state=record.state,
            attempt=record.attempt,
            thread_id=record.thread_id,
            turn=record.turn,
            action=record.action_id,
            digest=record.digest,
            approval=record.approval_id,
            standing=record.standing_id,
            claimed_at=record.claimed_at,
            deadline=record.deadline,
            settled_at=record.settled_at,
        )


@app.command("show")
def effects_show(
    key: str,
    tenant: Tenant = "default",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show one row, with the idempotency key by which the outside knows the effect."""
    with ending(as_json=as_json):
        with store() as found:
            record = found.effect(tenant, key)
        if record is None:
            raise InputError(f"tenant {tenant!r} has no effect {key!r}", remedy="see guardkit effects list")
        shown = Shown.of(record)
        if as_json:
            write(shown)
            return
        for name, value in shown.model_dump(mode="json", exclude_none=True).items():
            said = utc(value) if name in ("claimed_at", "deadline", "settled_at") else str(value)
            out.print(f"{name:<12}{one_line(said, 200)}", markup=False, highlight=False, soft_wrap=True)


@app.command("settle")
def effects_settle(
    key: str,
    outcome: Annotated[str, typer.Argument(help="done or not_done.")],
    by: Operator,
    tenant: Tenant = "default",
    result: Annotated[str, typer.Option(help="For done: what the tool would have returned.")] = "",
) -> None:
    """Say what became of an effect in doubt, after looking."""
    if outcome not in ("done", "not_done"):
        raise InputError(f"outcome {outcome!r} is not done or not_done")
    state = EffectState(outcome)
    kept: Json = {"v": 1, "value": result} if state is EffectState.DONE else None
    with store() as found:
        record = found.effect(tenant, key)
        late = None if record is None or record.state is not EffectState.IN_DOUBT else record.deadline
        if state is EffectState.NOT_DONE and late is not None and found.now() < late:
            raise InputError(
                f"effect {key!r} may still reach the outside until {utc(late)}",
                remedy="look again after that; that it is done can be said at any time",
            )
        if not found.reconcile(tenant, key, state=state, result=kept, by=by, events=[]):
            raise InputError(
                f"effect {key!r} is not in doubt", remedy="see guardkit effects list --state in_doubt"
            )
    out.print("settled")
