"""Questions to people, from the command line."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import out, settings, store
from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.presentation import present
from guardkit.errors import ConfigurationError, InputError
from guardkit.policy import Policy
from guardkit.runtime.desk import Desk

app = typer.Typer(no_args_is_help=True, help="Questions to people.")


@app.command("list")
def approvals_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
) -> None:
    """List questions to people."""
    table = Table("id", "state", "tool", "thread", "asked for", "why")
    with store() as found:
        states = None if everything else (ApprovalState.PENDING,)
        for approval in found.listed(tenant=tenant, states=states):
            request = approval.request
            table.add_row(
                request.id, approval.state.value, escape(request.action.tool), escape(request.thread_id),
                escape(request.principal.id), escape("; ".join(request.why)),
            )  # fmt: skip
    out.print(table)


@app.command("decide")
def approvals_decide(
    approval_id: str,
    decision: Annotated[str, typer.Argument(help="approve, reject or respond.")],
    person: Annotated[str, typer.Option("--as", help="Who decides, as the people directory knows them.")],
    reason: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Decide at the machine, at assurance local_operator. Edits are made in the inbox."""
    if decision not in ("approve", "reject", "respond"):
        raise InputError(f"decision {decision!r} is not approve, reject or respond")
    configured = settings()
    directory = Policy.from_file(configured.need_policy()).directory
    if directory is None:
        raise ConfigurationError("the policy names no directory of people")
    with store() as found:
        approval = found.find(approval_id)
        if approval is None:
            raise InputError(f"no approval {approval_id!r}", remedy="see guardkit approvals list")
        shown = present(approval)
        out.print(f"{escape(shown.title)}  {approval.digest[:12]}")
        result = Desk(found, directory, configured.keys.decision_signer()).decide(
            approval_id,
            identity=person,
            digest=approval.digest,
            kind=decision,
            assurance=Assurance.LOCAL_OPERATOR,
            via="cli",
            reason=reason,
        )
    out.print(f"approval is {result.state.value}")
