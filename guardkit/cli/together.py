"""Approving or rejecting several questions at the command line at once: all are shown, one answer is asked for."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from guardkit.channels import Console
from guardkit.cli.asking import at_a_terminal, confirmed, words
from guardkit.cli.base import directory, err, out, settings, store
from guardkit.cli.ending import Refused, Status, dumped, ending, refused, status_of
from guardkit.cli.finding import found as find
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.batches import BatchKind, Seen, check_batch, check_together
from guardkit.core.people import Assurance, Directory, Person
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.values import Value
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.runtime.batches import ItemOutcome
from guardkit.runtime.desk import Desk
from guardkit.sql import SQLStore

_HASH = re.compile(r"[0-9a-f]{64}")
_UNSEEN = "0" * 64
"""No presentation has this hash: an answer that names it is judged, audited and refused."""


class TakenTogether(Value):
    """What became of one of several, as `--json` prints it."""

    approval: str
    state: ApprovalState | None
    """Where it stands now; `null` where there is none for this person."""

    version: int | None
    refused: Refused | None
    """Why the answer does not count; `null` where it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidTogether:
    """What somebody has typed."""

    approvals: Sequence[str]
    person: str
    kind: BatchKind
    reason: str | None
    shown: Sequence[str]
    digest: str | None
    yes: bool
    as_json: bool

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InputError: a hash is none, nobody can be asked, or it would be decided blind.
        """
        if self.digest is not None:
            raise InputError(
                "--digest is about one approval", remedy="with several, give --shown for each of them"
            )
        if not all(_HASH.fullmatch(one) for one in self.shown):
            raise InputError("--shown takes 64 hex digits", remedy="see guardkit approvals show")
        if self.yes and len(self.shown) < len(self.approvals):
            raise InputError(
                f"{self.kind} with --yes says nothing about what was looked at",
                remedy="--shown once for each approval, with the presentation_hash of guardkit approvals show --json",
            )
        if not self.yes and not at_a_terminal():
            raise InputError(
                "nobody can be asked: standard input is no terminal", remedy="--yes decides without asking"
            )


def decide_together(said: SaidTogether) -> None:
    """Show several questions, ask once, and send the answer to each."""
    with ending(as_json=False):
        said.check()
        people = directory()
        signer = settings().keys.decision_signer()
        with store() as found:
            outcomes = _taken(said, found, people, Desk(found, people, signer))
    if outcomes is None:
        typer.echo("nothing was decided", err=True)
        raise typer.Exit(Status.DECLINED)
    if said.as_json:
        sys.stdout.write(f"[{','.join(dumped(_line(one)) for one in outcomes)}]\n")
    else:
        _tell(outcomes)
    statuses = [status_of(one.error) for one in outcomes if one.error is not None]
    if statuses:
        raise typer.Exit(statuses[0])


def _taken(
    said: SaidTogether, found: SQLStore, people: Directory, desk: Desk
) -> Sequence[ItemOutcome] | None:
    person = people.find(said.person)
    tenant = None if person is None else person.tenant
    approvals = [find(found, name, tenant=tenant) for name in said.approvals]
    items = [_seen(one, said) for one in approvals]
    check_batch(items)
    check_together(approvals)
    if person is not None:
        _show(said, desk, person, approvals)
    reason = said.reason
    needed = any(one.request.needs_comment(said.kind) for one in approvals)
    if reason is None and needed and not said.yes:
        reason = words("Why (kept with each decision)", aside=said.as_json)
    verb = "Approve" if said.kind == "approve" else "Reject"
    question = f"{verb} these {len(approvals)}, as {one_line(said.person, 100)}?"
    if not said.yes and not confirmed(question, aside=said.as_json):
        return None
    return desk.batches.decide(
        items,
        identity=said.person,
        kind=said.kind,
        assurance=Assurance.LOCAL_OPERATOR,
        via="cli",
        reason=reason,
    )


def _seen(approval: Approval, said: SaidTogether) -> Seen:
    """What was looked at: what is shown now, unless hashes name something else."""
    shown = presentation_hash(present(approval))
    looked_at = not said.shown or shown in said.shown
    return Seen(
        approval=approval.request.id,
        version=approval.version,
        digest=approval.digest,
        presentation_hash=shown if looked_at else _UNSEEN,
    )


def _show(said: SaidTogether, desk: Desk, person: Person, approvals: Sequence[Approval]) -> None:
    """Print every question that this person may look at."""
    console = Console(file=sys.stderr if said.as_json else sys.stdout)
    for approval in approvals:
        if desk.may_look(approval, person):
            console.show(approval)


def _tell(outcomes: Sequence[ItemOutcome]) -> None:
    for one in outcomes:
        if one.error is not None:
            err.print(
                f"{one.seen.approval}  refused: {one.error}", soft_wrap=True, highlight=False, markup=False
            )
        elif one.approval is not None:
            title = present(one.approval).title
            out.print(
                f"{one.seen.approval}  {one.approval.state.value}  {title}",
                soft_wrap=True, highlight=False, markup=False,
            )  # fmt: skip


def _line(outcome: ItemOutcome) -> TakenTogether:
    now = outcome.approval
    return TakenTogether(
        approval=outcome.seen.approval,
        state=None if now is None else now.state,
        version=None if now is None else now.version,
        refused=None if outcome.error is None else refused(outcome.error),
    )
