"""What is asked, composed once: every channel draws this card with its messenger's own means.

A card is made of labelled plain text. No drawing of it may turn any of that text into markup, a link or a mention.
"""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from guardkit.core.approvals import Approval, ApprovalState, DecisionKind, SaidKind
from guardkit.core.presentation import Presentation, Said, StageView, present, presentation_hash, utc
from guardkit.core.rows import Change, Row
from guardkit.core.values import Value

Tone: TypeAlias = Literal["waiting", "good", "bad", "over"]

_TONES: dict[ApprovalState, Tone] = {
    ApprovalState.PENDING: "waiting",
    ApprovalState.APPROVED: "good",
    ApprovalState.CONSUMED: "good",
    ApprovalState.REJECTED: "bad",
    ApprovalState.RESPONDED: "over",
    ApprovalState.EXPIRED: "over",
    ApprovalState.CANCELLED: "over",
}
_STATUS: dict[ApprovalState, str] = {
    ApprovalState.PENDING: "waits for approval",
    ApprovalState.APPROVED: "approved",
    ApprovalState.CONSUMED: "approved and done",
    ApprovalState.REJECTED: "rejected",
    ApprovalState.RESPONDED: "answered instead of done",
    ApprovalState.EXPIRED: "expired",
    ApprovalState.CANCELLED: "withdrawn",
}
_EXPIRY = {
    "reject": "it is rejected",
    "no_result": "the turn ends without a result",
    "keep": "it stays open",
}
_LABELS: dict[DecisionKind, str] = {
    "approve": "Approve",
    "edit": "Edit…",
    "reject": "Reject…",
    "respond": "Answer instead…",
}
_SAID: dict[SaidKind, str] = {
    "approve": "approved",
    "edit": "edited and approved",
    "reject": "rejected",
    "respond": "answered instead",
    "break_glass": "broke the glass: approved alone, in an emergency,",
}


class Fact(Value):
    """One line: what it is about, and what is said."""

    label: str
    text: str
    at: float | None = None
    """Seconds since the epoch, where the text is a time: a messenger may show it in its reader's own zone."""


class Choice(Value):
    """One decision that is open to people."""

    kind: DecisionKind
    label: str
    comment: bool = False
    """Whether it counts only with the person's words."""


class Card(Value):
    """An approval as a message shows it."""

    approval_id: str
    version: int
    """The `Approval.version` that is shown; buttons carry it back."""

    title: str
    status: str
    """In words, e.g. `waits for approval`."""

    tone: Tone
    facts: tuple[Fact, ...]
    args: tuple[Row, ...]
    reads: tuple[Row, ...]
    changes: tuple[Change, ...]
    thought: str
    """The model's own words; to be marked as not verified."""

    stages: tuple[Fact, ...]
    """Who must approve, and who has."""

    said: tuple[Fact, ...]
    """What people said so far, oldest first."""

    choices: tuple[Choice, ...]
    """The decisions that are allowed now; none when it is over."""

    link: str | None
    """Where the whole of it is."""

    notice: str = ""
    """What the reader has to know about the message itself, e.g. that it is cut."""

    hash: str
    """The hash of the presentation that the card was made from."""

    @property
    def headline(self) -> str:
        """Title and status in one line, e.g. for notifications."""
        return f"{self.title}: {self.status}"

    @property
    def characters(self) -> int:
        """The length of everything that a drawing repeats."""
        facts = (*self.facts, *self.stages, *self.said)
        return (
            len(self.headline)
            + len(self.thought)
            + len(self.notice)
            + len(self.link or "")
            + sum(len(fact.label) + len(fact.text) for fact in facts)
            + sum(_length(row) for row in (*self.args, *self.reads))
            + sum(_change_length(change) for change in self.changes)
        )


def compose(approval: Approval, *, link: str | None = None, who: Callable[[str], str] | None = None) -> Card:
    """The card of an approval as it stands.

    Args:
        approval: as stored.
        link: where the whole of it is.
        who: names a person by identity; by default the identity itself.
    """
    shown = present(approval)
    name = who or str
    open_to = shown.allowed if shown.state is ApprovalState.PENDING else ()
    return Card(
        approval_id=shown.id,
        version=approval.version,
        title=shown.title,
        status=_status(shown),
        tone="bad" if _is_broken(shown) else _TONES[shown.state],
        facts=tuple(_facts(shown, name)),
        args=shown.args,
        reads=shown.reads,
        changes=shown.changes,
        thought=shown.thought,
        stages=tuple(_stage(stage, name) for stage in shown.stages),
        said=tuple(_said(said, name) for said in shown.said),
        choices=tuple(_choice(kind, shown) for kind in open_to),
        link=link,
        hash=presentation_hash(shown),
    )


def _choice(kind: DecisionKind, shown: Presentation) -> Choice:
    comment = kind in ("reject", "respond") or kind in shown.comment_required
    label = f"{_LABELS[kind]}…" if comment and kind == "approve" else _LABELS[kind]
    return Choice(kind=kind, label=label, comment=comment)


def _is_broken(shown: Presentation) -> bool:
    return any(said.kind == "break_glass" for said in shown.said)


def _status(shown: Presentation) -> str:
    status = _STATUS[shown.state]
    return f"{status}; the glass was broken" if _is_broken(shown) else status


def _facts(shown: Presentation, who: Callable[[str], str]) -> Iterable[Fact]:
    if shown.outcome is not None and shown.outcome.at is not None:
        yield Fact(label=_status(shown).capitalize(), text=utc(shown.outcome.at), at=shown.outcome.at)
    yield Fact(label="Agent", text=f"{shown.agent}, thread {shown.thread_id}, turn {shown.turn}")
    yield Fact(label="Acts for", text=f"{who(shown.asked_by)} (tenant {shown.tenant})")
    for why in shown.why:
        yield Fact(label="Why you are asked", text=why)
    if shown.rules:
        yield Fact(label="Rules", text=", ".join(shown.rules))
    yield Fact(label="Policy", text=shown.policy)
    if shown.order == "together" and len(shown.stages) > 1:
        yield Fact(label="Order", text="all stages are asked at once, in any order")
    for exemption in shown.exemptions:
        yield Fact(label="Whoever asked may decide", text=exemption)
    if shown.expires_at is not None and not shown.state.settled:
        yield Fact(label="Decide until", text=utc(shown.expires_at), at=shown.expires_at)
        yield Fact(label="After that", text=_EXPIRY[shown.on_expiry])
    yield Fact(label="Approval", text=f"{shown.id}, digest {shown.digest_short}")


def _stage(stage: StageView, who: Callable[[str], str]) -> Fact:
    asked = [*map(who, stage.approvers), *(f"group {group}" for group in stage.groups)]
    role = f" as {stage.role}" if stage.role else ""
    given = f"; given by {', '.join(map(who, stage.given))}" if stage.given else ""
    later = "".join(f"; {step}" for step in stage.escalations) if stage.status in ("waiting", "later") else ""
    return Fact(
        label=f"Stage {stage.number}",
        text=(
            f"{len(stage.given)} of {stage.required}{role}: {', '.join(asked)}{given}{_against(stage, who)} "
            f"[{stage.status}]{later}"
        ),
    )


def _against(stage: StageView, who: Callable[[str], str]) -> str:
    if stage.reject_quorum == 1:
        return ""
    names = f" ({', '.join(map(who, stage.rejected))})" if stage.rejected else ""
    return f"; rejected by {len(stage.rejected)} of {stage.reject_quorum} who end it{names}"


def _said(said: Said, who: Callable[[str], str]) -> Fact:
    reason = f": {said.reason}" if said.reason else ""
    alike = f", {said.standing}" if said.standing else ""
    exempt = f", although they asked ({said.exemption})" if said.exemption else ""
    return Fact(
        label=who(said.person)
        if said.on_behalf_of is None
        else f"{who(said.person)} for {who(said.on_behalf_of)}",
        text=f"{_SAID[said.kind]} by {said.via}, {said.assurance.value}, {utc(said.at)}{exempt}{alike}{reason}",
    )


def fitted(card: Card, *, characters: int, values: int) -> Card:
    """The card, cut visibly to what a messenger carries.

    First long values are shortened, then values in the middle are left out; facts are kept. Where something is cut
    and there is no link to the whole, nobody can see what they would approve: only what stops the action is offered.

    Args:
        card: as composed.
        characters: what all of the card may have together, at least 2,000.
        values: arguments, reads and changes that are shown at most of each.
    """
    if card.characters <= characters and max(len(card.args), len(card.reads), len(card.changes)) <= values:
        return card
    limit = 600
    smaller = card
    while limit >= 40:
        smaller = _cut(card, limit, values)
        if smaller.characters <= characters:
            break
        limit, values = limit // 2, max(2, values * 2 // 3)
    stops = (
        smaller.choices
        if card.link
        else tuple(one for one in card.choices if one.kind in ("reject", "respond"))
    )
    return smaller.model_copy(update={"choices": stops})


def _cut(card: Card, limit: int, values: int) -> Card:
    where = "The whole is behind the link." if card.link else "Nobody can approve it from here."
    return card.model_copy(
        update={
            "args": _fewer_rows(card.args, limit, values),
            "reads": _fewer_rows(card.reads, limit, values),
            "changes": _fewer_changes(card.changes, limit, values),
            "facts": tuple(_shorter(fact, limit) for fact in card.facts),
            "stages": tuple(_shorter(fact, limit) for fact in card.stages[:values]),
            "said": tuple(_shorter(fact, limit) for fact in card.said[-values:]),
            "thought": shortened_again(card.thought, limit),
            "notice": f"This message does not show everything. {where}",
        }
    )


def shortened_again(text: str, limit: int) -> str:
    """Text that is already visible, cut in the middle: its marks stay as they are.

    Args:
        text: what `present` has made visible.
        limit: how many characters of it to keep.
    """
    if len(text) <= limit:
        return text
    head, tail = limit - limit // 2, limit // 2
    mark = f"⟨… {len(text) - limit:,} of {len(text):,} characters left out …⟩"
    return f"{text[:head]} {mark} {text[len(text) - tail :]}"


def _shorter(fact: Fact, limit: int) -> Fact:
    return fact.model_copy(update={"text": shortened_again(fact.text, limit)})


def _fewer_rows(rows: tuple[Row, ...], limit: int, values: int) -> tuple[Row, ...]:
    short = [row.model_copy(update={"text": shortened_again(row.text, limit)}) for row in rows]
    if len(short) <= values:
        return tuple(short)
    head, tail = values - values // 2, values // 2
    gone = Row(
        index=None,
        path="",
        label="Left out",
        text=f"⟨… {len(rows) - values:,} of {len(rows):,} values left out …⟩",
        type="omitted",
        bytes=0,
    )
    return (*short[:head], gone, *short[len(short) - tail :])


def _fewer_changes(changes: tuple[Change, ...], limit: int, values: int) -> tuple[Change, ...]:
    def cut(text: str | None) -> str | None:
        return None if text is None else shortened_again(text, limit)

    short = [one.model_copy(update={"before": cut(one.before), "after": cut(one.after)}) for one in changes]
    if len(short) <= values:
        return tuple(short)
    note = f"⟨… {len(changes) - values:,} of {len(changes):,} changes left out …⟩"
    gone = Change(
        path="", label="Left out", before=note, after=note, before_type=None, after_type=None, cut=True
    )
    return (*short[:values], gone)


def _length(row: Row) -> int:
    return len(row.label) + len(row.path) + len(row.text) + (90 if row.sha256 else 20)


def _change_length(change: Change) -> int:
    return len(change.label) + len(change.before or "") + len(change.after or "") + 20


def row_note(row: Row) -> str:
    """What a row says about a value of which it shows a part: its length, and the beginning of its hash."""
    return "" if row.sha256 is None else f"{row.bytes:,} bytes, SHA-256 {row.sha256[:12]}"
