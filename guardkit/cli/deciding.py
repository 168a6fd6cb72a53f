"""Deciding at the command line: `approve`, `reject`, `edit`, `respond`, and `decide`, which takes any of them as a word."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from guardkit.channels import Console
from guardkit.cli.asking import at_a_terminal, confirmed, words
from guardkit.cli.base import directory, out, settings, store
from guardkit.cli.editing import Edited, Edits, changed
from guardkit.cli.ending import Status, ending, write
from guardkit.cli.finding import found as find
from guardkit.cli.standing import tell_given, wish_of
from guardkit.cli.taken import Taken
from guardkit.cli.together import SaidTogether, decide_together
from guardkit.core.approvals import Approval, ApprovalState, DecisionKind
from guardkit.core.batches import BatchKind
from guardkit.core.granting import grant_of
from guardkit.core.people import Assurance, Directory
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.standing import StandingWish
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.runtime.desk import Desk
from guardkit.sql import SQLStore

_NEVER = -1
"""No approval has this version: an answer that names it is judged, audited and refused, whatever happens meanwhile."""

_NAME_IT = "--shown with the presentation_hash of guardkit approvals show --json, or --digest"
_KINDS: dict[str, DecisionKind] = {
    "approve": "approve",
    "edit": "edit",
    "reject": "reject",
    "respond": "respond",
}
_SPOKEN: dict[DecisionKind, str] = {
    "approve": "Why (the policy asks for a comment)",
    "edit": "Why (the policy asks for a comment)",
    "reject": "Why (kept with the decision)",
    "respond": "What the assistant is told instead",
}
_VERBS: dict[DecisionKind, str] = {
    "approve": "Approve",
    "edit": "Edit and approve",
    "reject": "Reject",
    "respond": "Answer instead of doing",
}

ApprovalIds = Annotated[
    list[str],
    typer.Argument(help="Ids, or four digits or more of their beginning. Several are decided on together."),
]
ApprovalId = Annotated[str, typer.Argument(help="The id, or four digits or more of its beginning.")]
As = Annotated[str, typer.Option("--as", help="Who decides, as the people directory knows them.")]
Reason = Annotated[str | None, typer.Option(help="In the person's own words; kept with the decision.")]
Shown = Annotated[
    str | None,
    typer.Option(metavar="HASH", help="The presentation_hash that was looked at; refused if changed."),
]
AllShown = Annotated[
    list[str] | None,
    typer.Option(
        "--shown",
        metavar="HASH",
        help="The presentation_hash that was looked at, of each; refused if changed. Repeatable.",
    ),
]
Digest = Annotated[str | None, typer.Option(help="The digest that was shown; another one is refused.")]
Yes = Annotated[
    bool, typer.Option("--yes", help="Do not ask; then needs --shown or --digest, as nobody decides blind.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody has typed."""

    approval: str
    person: str
    kind: DecisionKind
    reason: str | None
    shown: str | None
    digest: str | None
    yes: bool
    as_json: bool
    standing: StandingWish | None = None

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InputError: a hash is none, nobody can be asked, or it would be decided blind.
        """
        if self.shown is not None and not re.fullmatch(r"[0-9a-f]{64}", self.shown):
            raise InputError("--shown takes 64 hex digits", remedy="see guardkit approvals show")
        check_digest(self.digest)
        blind = self.shown is None and self.digest is None
        if self.yes and blind:
            raise InputError(f"{self.kind} with --yes says nothing about what was looked at", remedy=_NAME_IT)
        if not self.yes and not at_a_terminal():
            raise InputError(
                "nobody can be asked: standard input is no terminal",
                remedy=_NAME_IT if blind else "--yes decides without asking",
            )

    def names(self, approval: Approval, shown: str) -> bool:
        """Whether the approval is what was looked at, as far as that was said."""
        return self.shown in (None, shown) and (
            self.digest is None or approval.digest.startswith(self.digest)
        )


def check_digest(digest: str | None) -> None:
    """Refuse what is no digest, and too little of one.

    Raises:
        InputError: it is.
    """
    if digest is not None and not re.fullmatch(r"[0-9a-f]{12,64}", digest):
        raise InputError("--digest takes 12 hex digits or more", remedy="see guardkit approvals show")


def check_shown(approval: Approval, digest: str | None) -> None:
    """Refuse a digest that is not the approval's any more.

    Raises:
        InputError: it is another one.
    """
    if digest is not None and not approval.digest.startswith(digest):
        raise InputError(
            f"approval {approval.request.id!r} is about another action now: digest {approval.digest[:12]}",
            remedy="somebody edited it: see guardkit approvals show",
        )


def approve(
    approval_ids: ApprovalIds,
    person: As,
    reason: Reason = None,
    shown: AllShown = None,
    digest: Digest = None,
    yes: Yes = False,
    as_json: AsJson = False,
    standing: Annotated[
        str | None,
        typer.Option(metavar="SCOPE", help="And all like it: in this thread, or of this requester."),
    ] = None,
    hours: Annotated[float | None, typer.Option(min=0.01, max=720, help="For how long.")] = None,
    uses: Annotated[int | None, typer.Option(min=1, max=1000, help="How many more.")] = None,
    amount: Annotated[str | None, typer.Option(help="How much of the limited argument in all.")] = None,
) -> None:
    """Approve what is asked, after a look at it. Several of one run or of one kind are decided on together.

    With --standing also actions like it, where the policy permits it.
    """
    with ending(as_json=as_json):
        wish = wish_of(standing, hours, uses, amount)
    _one_or_several(
        "approve", approval_ids, person, reason, shown, digest, yes=yes, as_json=as_json, standing=wish
    )


def reject(
    approval_ids: ApprovalIds,
    person: As,
    reason: Reason = None,
    shown: AllShown = None,
    digest: Digest = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Reject what is asked; needs a reason. Several of one run or of one kind are decided on together."""
    _one_or_several("reject", approval_ids, person, reason, shown, digest, yes=yes, as_json=as_json)


def respond(
    approval_id: ApprovalId,
    person: As,
    reason: Reason = None,
    shown: Shown = None,
    digest: Digest = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Tell the assistant something instead of doing what is asked; the words are the reason."""
    _run(_said("respond", approval_id, person, reason, shown, digest, yes=yes, as_json=as_json), None)


def edit(
    approval_id: ApprovalId,
    person: As,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set one argument; repeatable.")
    ] = None,
    args: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON object of what changes; - reads it.")
    ] = None,
    reason: Reason = None,
    shown: Shown = None,
    digest: Digest = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Change the arguments and approve them so. With neither --set nor --args an editor is opened."""
    said = _said("edit", approval_id, person, reason, shown, digest, yes=yes, as_json=as_json)
    _run(said, Edits(sets=tuple(sets or ()), file=args))


def decide(
    approval_id: ApprovalId,
    decision: Annotated[str, typer.Argument(help="approve, edit, reject or respond.")],
    person: As,
    reason: Reason = None,
    args: Annotated[
        str | None, typer.Option(help="For edit: a JSON object of what changes; - reads it.")
    ] = None,
    shown: Shown = None,
    digest: Digest = None,
) -> None:
    """Decide on what --shown or --digest names, without a question; or after a look at it, at a terminal."""
    with ending(as_json=False):
        kind = _KINDS.get(decision)
        if kind is None:
            raise InputError(f"decision {decision!r} is not approve, edit, reject or respond")
        if (kind == "edit") != (args is not None):
            raise InputError("--args goes with edit, and only with it")
        edits = None
        if args is not None:
            typed = None if args == "-" else changed(args)
            edits = Edits(sets=(), file=None if typed else args, merged=typed)
    named = shown is not None or digest is not None
    said = _said(kind, approval_id, person, reason, shown, digest, yes=named, as_json=False)
    _run(said, edits)


def _one_or_several(
    kind: BatchKind,
    approvals: list[str],
    person: str,
    reason: str | None,
    shown: list[str] | None,
    digest: str | None,
    *,
    yes: bool,
    as_json: bool,
    standing: StandingWish | None = None,
) -> None:
    hashes = shown or []
    with ending(as_json=as_json):
        if standing is not None and len(approvals) > 1:
            raise InputError("--standing goes with one approval", remedy="approve them one by one")
    if len(approvals) > 1:
        decide_together(
            SaidTogether(
                approvals=approvals, person=person, kind=kind, reason=reason, shown=hashes, digest=digest,
                yes=yes, as_json=as_json,
            )
        )  # fmt: skip
        return
    with ending(as_json=as_json):
        if len(hashes) > 1:
            raise InputError("--shown is given more often than there are approvals")
    seen = hashes[0] if hashes else None
    said = _said(kind, approvals[0], person, reason, seen, digest, yes=yes, as_json=as_json)
    _run(replace(said, standing=standing), None)


def _said(
    kind: DecisionKind,
    approval: str,
    person: str,
    reason: str | None,
    shown: str | None,
    digest: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> Said:
    return Said(
        approval=approval, person=person, kind=kind, reason=reason, shown=shown, digest=digest, yes=yes,
        as_json=as_json,
    )  # fmt: skip


def _desk_of(people: Directory) -> Callable[[SQLStore], Desk]:
    signer = settings().keys.decision_signer()
    return lambda found: Desk(found, people, signer)


def _run(said: Said, edits: Edits | None) -> None:
    with ending(as_json=said.as_json):
        said.check()
        if edits is not None:
            edits = edits.read(asking=not said.yes)
        people = directory()
        desk_of = _desk_of(people)
        with store() as found:
            taken = _Deciding(found, desk_of(found), people, said).take(edits)
    if taken is None:
        typer.echo("nothing was decided", err=True)
        raise typer.Exit(Status.DECLINED)
    if said.as_json:
        write(taken)
    else:
        out.print(f"approval is {taken.state.value}")
        if said.standing is not None:
            tell_given(taken.standing)


class _Deciding:
    """One decision: look, ask, send."""

    def __init__(self, found: SQLStore, desk: Desk, people: Directory, said: Said) -> None:
        self._store = found
        self._desk = desk
        self._people = people
        self._said = said

    def take(self, edits: Edits | None) -> Taken | None:
        """The decision, once it counts; `None` when whoever was asked said no."""
        said = self._said
        person = self._people.find(said.person)
        approval = find(self._store, said.approval, tenant=None if person is None else person.tenant)
        view = present(approval)
        shown = presentation_hash(view)
        cannot = person is None or self._desk.refusal(approval, person, Assurance.LOCAL_OPERATOR) is not None
        if cannot or not said.names(approval, shown):
            return self._send(approval, shown, None, said.reason, version=_NEVER)
        if said.kind not in approval.request.allowed:
            return self._send(approval, shown, None, said.reason)
        self._console().show(approval)
        edited = None if edits is None else edits.of(approval, self._console(), aside=said.as_json)
        reason = said.reason
        if reason is None and approval.request.needs_comment(said.kind) and not said.yes:
            reason = words(_SPOKEN[said.kind], aside=said.as_json)
        alike = "" if said.standing is None else ", and all like it"
        question = f"{_VERBS[said.kind]}: {view.title}{alike}, as {one_line(said.person, 100)}?"
        if not said.yes and not confirmed(question, aside=said.as_json):
            return None
        return self._send(approval, shown, edited, reason)

    def _send(
        self,
        approval: Approval,
        shown: str,
        edited: Edited | None,
        reason: str | None,
        *,
        version: int | None = None,
    ) -> Taken:
        said = self._said
        after = self._desk.decide(
            approval.request.id,
            identity=said.person,
            digest=approval.digest,
            kind=said.kind,
            assurance=Assurance.LOCAL_OPERATOR,
            via="cli",
            reason=reason,
            args=None if edited is None else edited.args,
            version=approval.version if version is None else version,
            # With --digest alone nobody has said what else was looked at.
            shown=None if said.yes and said.shown is None else shown,
            delivery="cli",
            standing=said.standing,
        )
        grant = grant_of(after) if after.state is ApprovalState.APPROVED else None
        decision = after.decisions[-1]
        return Taken(
            approval=after.request.id,
            decision=said.kind,
            person=decision.person,
            on_behalf_of=decision.on_behalf_of,
            stage=decision.stage + 1,
            at=decision.decided_at,
            state=after.state,
            version=after.version,
            digest=after.digest,
            presentation_hash=shown,
            changes=() if edited is None else edited.changes,
            standing=None if grant is None else grant.id,
        )

    def _console(self) -> Console:
        return Console(file=sys.stderr if self._said.as_json else sys.stdout)
