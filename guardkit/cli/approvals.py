"""Questions to people, from the command line."""

import re
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.channels import Console
from guardkit.cli.base import out, settings, store
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.presentation import present
from guardkit.errors import ConfigurationError, InputError
from guardkit.policy import Policy
from guardkit.runtime.desk import Desk
from guardkit.sql import SQLStore

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


@app.command("show")
def approvals_show(approval_id: str) -> None:
    """Show one question as people see it, or what became of it."""
    with store() as found:
        Console(file=sys.stdout).show(_found(found, approval_id))


@app.command("decide")
def approvals_decide(
    approval_id: str,
    decision: Annotated[str, typer.Argument(help="approve, reject or respond.")],
    person: Annotated[str, typer.Option("--as", help="Who decides, as the people directory knows them.")],
    reason: Annotated[str | None, typer.Option()] = None,
    digest: Annotated[
        str | None, typer.Option(help="The digest that was shown; another one is refused.")
    ] = None,
) -> None:
    """Decide at the machine, at assurance local_operator. Edits are made in the inbox."""
    if decision not in ("approve", "reject", "respond"):
        raise InputError(f"decision {decision!r} is not approve, reject or respond")
    if digest is not None and not re.fullmatch(r"[0-9a-f]{12,64}", digest):
        raise InputError("--digest takes 12 hex digits or more", remedy="see guardkit approvals show")
    configured = settings()
    directory = Policy.from_file(configured.need_policy()).directory
    if directory is None:
        raise ConfigurationError("the policy names no directory of people")
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
        )
    out.print(f"approval is {result.state.value}")


def _found(found: SQLStore, approval_id: str) -> Approval:
    approval = found.find(approval_id)
    if approval is None:
        raise InputError(f"no approval {approval_id!r}", remedy="see guardkit approvals list")
    return approval
