"""The ledger of side effects, from the command line."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import Operator, out, store
from guardkit.core.effects import EffectState
from guardkit.core.values import Json
from guardkit.errors import InputError

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


@app.command("settle")
def effects_settle(
    key: str,
    outcome: Annotated[str, typer.Argument(help="done or not_done.")],
    by: Operator,
    tenant: Annotated[str, typer.Option()] = "default",
    result: Annotated[str, typer.Option(help="For done: what the tool would have returned.")] = "",
) -> None:
    """Say what became of an effect in doubt, after looking."""
    if outcome not in ("done", "not_done"):
        raise InputError(f"outcome {outcome!r} is not done or not_done")
    state = EffectState(outcome)
    kept: Json = {"v": 1, "value": result} if state is EffectState.DONE else None
    with store() as found:
        if not found.reconcile(tenant, key, state=state, result=kept, by=by, events=[]):
            raise InputError(
                f"effect {key!r} is not in doubt", remedy="see guardkit effects list --state in_doubt"
            )
    out.print("settled")
