"""What a mail says about deciding: by its own link, in the inbox, or both."""

from collections.abc import Iterable, Sequence

from guardkit.channels.email.drawing import Way
from guardkit.core.approvals import Approval, DecisionKind
from guardkit.core.people import Assurance

BY_LINK: tuple[DecisionKind, ...] = ("approve", "reject")
"""What can be decided by a link in a mail. An edit needs a surer sign-in, and so it is with words for the model."""

_YOURS = (
    "Whoever has this link can decide as you: do not forward this mail. "
    "Opening it decides nothing; the page behind it asks."
)
_NEEDS: dict[Assurance, str] = {
    Assurance.CHAT: "a sign-in to the company's chat or better",
    Assurance.OIDC: "a company sign-in",
}


def link_decisions(approval: Approval, stages: Iterable[int]) -> tuple[DecisionKind, ...]:
    """What somebody may decide by a link in a mail, as the approval stands.

    Args:
        approval: as stored.
        stages: 0-based indexes of stages that wait, in one of which the answer counts.
    """
    request = approval.request
    if not any(Assurance.EMAIL_LINK.reaches(request.stages[stage].assurance) for stage in stages):
        return ()
    taken = any(said.assurance is Assurance.EMAIL_LINK for said in approval.standing())
    return tuple(kind for kind in BY_LINK if kind in request.allowed and not (taken and kind == "approve"))


def ways(approval: Approval, stage: int, *, by_link: str, inbox: str) -> tuple[Way, ...]:
    """How to go on from the question, best way first. The address of the first one shows the whole approval.

    Args:
        approval: as stored.
        stage: 0-based index of the stage that is waiting.
        by_link: the reader's own link.
        inbox: the approval in the web inbox, behind a sign-in.
    """
    open_to = link_decisions(approval, (stage,))
    needed = approval.request.stages[stage].assurance
    if not open_to:
        why = f" This stage needs {_NEEDS[needed]}." if needed in _NEEDS else ""
        return (Way(text=f"Sign in to the inbox to decide.{why}", url=inbox, button="Open the inbox"),)
    if "approve" in open_to or "approve" not in approval.request.allowed:
        button = "Look and decide"
        first = Way(text=f"{_listed(open_to)} on the page of this link. {_YOURS}", url=by_link, button=button)
    else:
        taken = "One approval by a link in a mail already counts, so by this link you can only reject."
        first = Way(text=f"{taken} {_YOURS}", url=by_link, button="Look, and reject if you must")
    others: list[DecisionKind] = [kind for kind in approval.request.allowed if kind not in open_to]
    if not others:
        return (first,)
    return (
        first,
        Way(text=f"{_listed(others)} in the inbox, after signing in.", url=inbox, button="Open the inbox"),
    )


def outcome_ways(inbox: str) -> tuple[Way, ...]:
    """How to see the whole of what is over."""
    return (
        Way(
            text="Nothing is left to decide. The inbox keeps the record.", url=inbox, button="Open the inbox"
        ),
    )


def asker_ways(inbox: str) -> tuple[Way, ...]:
    """How whoever asked sees the whole of what is over."""
    return (
        Way(text="This was asked for you. The inbox keeps the record.", url=inbox, button="Open the inbox"),
    )


def review_ways(inbox: str) -> tuple[Way, ...]:
    """How to review what is over."""
    return (
        Way(text="Sign in to the inbox to say what you find.", url=inbox, button="Review it in the inbox"),
    )


_VERBS: dict[DecisionKind, str] = {
    "approve": "approve",
    "edit": "edit",
    "reject": "reject",
    "respond": "answer instead",
}


def _listed(kinds: Sequence[DecisionKind]) -> str:
    return " or ".join(_VERBS[kind] for kind in kinds).capitalize()
