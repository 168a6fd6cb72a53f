"""The emergency stop, from the command line."""

import uuid
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import Operator, out, store
from guardkit.core.runs import StopOrder
from guardkit.errors import InputError

app = typer.Typer(no_args_is_help=True, help="The emergency stop.")


@app.command("set")
def stop_set(
    why: Annotated[str, typer.Option(help="Goes into the audit log.")],
    by: Operator,
    thread: Annotated[str | None, typer.Option()] = None,
    agent: Annotated[str | None, typer.Option()] = None,
    run: Annotated[str | None, typer.Option()] = None,
    tenant: Annotated[str | None, typer.Option(help="Alone: stops the whole tenant.")] = None,
    everything: Annotated[bool, typer.Option("--everything")] = False,
) -> None:
    """Stop a thread, an agent, a run, a tenant or everything, until it is lifted."""
    targets = [
        (scope, target) for scope, target in (("thread", thread), ("agent", agent), ("run", run)) if target
    ]
    if (everything and (targets or tenant)) or len(targets) > 1:
        raise InputError("say one thing to stop: --thread, --agent, --run, --tenant or --everything")
    if not (everything or targets or tenant):
        raise InputError("say what to stop: --thread, --agent, --run, --tenant or --everything")
    scope, target = targets[0] if targets else ("everything" if everything else "tenant", None)
    order = StopOrder(
        id=uuid.uuid4().hex[:12],
        scope=scope,  # pyright: ignore[reportArgumentType]  # built from literals above
        tenant=None if everything else tenant or "default",
        target=target,
        by=by,
        why=why,
        at=0.0,
    )
    with store() as found:
        order = found.set_stop(order)
    out.print(f"stop {order.id} is in force on {order.scope} {escape(order.target or order.tenant or '')}")


@app.command("list")
def stop_list() -> None:
    """List the stops in force."""
    table = Table("id", "scope", "tenant", "target", "by", "why")
    with store() as found:
        for order in found.stops():
            table.add_row(
                order.id, order.scope, escape(order.tenant or ""), escape(order.target or ""), escape(order.by), escape(order.why)
            )  # fmt: skip
    out.print(table)


@app.command("lift")
def stop_lift(stop_id: str, why: Annotated[str, typer.Option()], by: Operator) -> None:
    """Lift a stop. Turns that it ended stay ended; new input begins new ones."""
    with store() as found:
        if not found.lift_stop(stop_id, by=by, why=why):
            raise InputError(f"no stop {stop_id!r} is in force", remedy="see guardkit stop list")
    out.print("lifted")
