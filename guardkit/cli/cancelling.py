"""Withdrawing a question, from the command line: as whoever asked, or as an operator."""

from typing import Annotated

import typer

from guardkit.cli.base import directory, out, store
from guardkit.cli.deciding import ApprovalId, AsJson
from guardkit.cli.ending import ending, write
from guardkit.cli.finding import found as find
from guardkit.cli.listing import Shown
from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance
from guardkit.errors import InputError
from guardkit.runtime.changing import Changes
from guardkit.runtime.events import NoTelemetry
from guardkit.runtime.withdrawing import Withdrawals, cancel as cancel_as_operator
from guardkit.sql import SQLStore


def cancel(
    approval_id: ApprovalId,
    why: Annotated[str, typer.Option(help="Goes into the audit log.")],
    person: Annotated[
        str | None, typer.Option("--as", help="Whoever asked, as the people directory knows them.")
    ] = None,
    operator: Annotated[
        str | None, typer.Option("--by", help="The operator who does it; goes into the audit log.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw a question that is not used yet, as whoever asked or as an operator: its action does not run."""
    with ending(as_json=as_json):
        if (person is None) == (operator is None):
            raise InputError("say who withdraws it: --as for whoever asked, --by for an operator")
        with store() as found:
            if person is not None:
                after = _withdrawn(found, approval_id, person, why)
            else:
                asked = find(found, approval_id)
                changes = Changes(found, NoTelemetry())
                after = cancel_as_operator(changes, asked.request.id, by=operator or "", why=why)
        if as_json:
            write(Shown.of(after))
        else:
            out.print(f"approval is {after.state.value}")


def _withdrawn(found: SQLStore, approval_id: str, identity: str, why: str) -> Approval:
    people = directory()
    person = people.find(identity)
    approval = find(found, approval_id, tenant=None if person is None else person.tenant)
    return Withdrawals(found, people, Changes(found, NoTelemetry())).withdraw(
        approval.request.id, identity=identity, why=why, assurance=Assurance.LOCAL_OPERATOR, via="cli"
    )
