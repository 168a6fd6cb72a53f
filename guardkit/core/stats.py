"""What people's answers come to over a window of time: rates, agreement, load, and how long they take.

Each answer is kept as a row beside its approval, so that a database counts them. Who gave it is a hash there: whose name
it is, is found in the approval.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from guardkit.core.approvals import Approval, SaidKind, after_decisions, waiting_since
from guardkit.core.listings import facet
from guardkit.core.values import Value

YES: tuple[SaidKind, ...] = ("approve", "edit")
NO: tuple[SaidKind, ...] = ("reject", "respond")
"""What counts as one opinion where people are compared. A broken glass stands in for people and is not compared."""

MEDIAN, SLOW = 50, 90
"""Percentiles of the time to decide, by the nearest rank: the smallest time that so many of a hundred do not exceed."""


class GivenAnswer(Value):
    """One decision, as it is counted."""

    approval_id: str
    number: int
    """1 for the first of its approval."""

    at: float
    """Seconds since the epoch, by the database's clock."""

    waited: float
    """Seconds since its stage began to wait."""

    kind: SaidKind
    stage: int
    """0-based."""

    who: str
    """Hash of `Person.id`; see `person_hash`."""

    rule: str
    """Names of the rules that asked, sorted and joined by commas; at most 255 characters."""

    delegated: bool
    """Whether it was given for somebody who is away."""


class AnswerCounts(Value):
    """How many answers of each kind."""

    approve: int = 0
    edit: int = 0
    reject: int = 0
    respond: int = 0
    break_glass: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.approve + self.edit + self.reject + self.respond + self.break_glass


class RuleCounts(Value):
    """What one person answered where one rule asked."""

    who: str
    rule: str
    counts: AnswerCounts


class ApproverCounts(Value):
    """What one person answered."""

    who: str
    counts: AnswerCounts
    delegated: int
    """Of these, how many for somebody who was away."""

    median: float
    """Seconds, like the next one."""

    slow: float
    """90 of 100 answers took no longer."""

    example: str
    """Id of an approval that they answered, to find their name in."""


class Agreement(Value):
    """How often people who answered the same said the same."""

    compared: int = 0
    """Those that two people or more answered."""

    agreed: int = 0
    """Those of them where all approved or edited, or all rejected or responded."""


class Measured(Value):
    """What a store counts of a tenant's answers in a window."""

    approvers: tuple[ApproverCounts, ...] = ()
    """By hash of the person."""

    rules: tuple[RuleCounts, ...] = ()
    """By hash of the person, then by rule."""

    requests: Agreement = Agreement()
    """Of whole questions."""

    stages: Agreement = Agreement()
    """Of single stages of questions."""

    delegates: Agreement = Agreement()
    """Of questions that a delegate and somebody who spoke for themselves answered."""


class Stats(Protocol):
    """Counting what people answered."""

    def measure(self, tenant: str, since: float, until: float) -> Measured:
        """What a tenant's people answered in a window.

        Args:
            tenant: whose.
            since: seconds since the epoch; answers from then on.
            until: likewise; answers before.
        """
        ...

    def count_waiting(self, tenant: str, keys: Sequence[str]) -> int:
        """How many approvals wait now under one of the keys; see `guardkit.core.listings.keys_of`. Stops at 10,000."""
        ...


def person_hash(person_id: str) -> str:
    """Who gave an answer, as it is counted."""
    return facet("person", person_id)


def given_answers(approval: Approval, *, after: int = 0) -> Iterator[GivenAnswer]:
    """The answers to an approval, as they are counted.

    Args:
        approval: as it stands.
        after: how many of its decisions are left out.
    """
    request = approval.request
    rule = ",".join(sorted(request.rules))[:255]
    for number, said in enumerate(approval.decisions[after:], start=after + 1):
        since = waiting_since(after_decisions(approval, number - 1), said.stage)
        yield GivenAnswer(
            approval_id=request.id,
            number=number,
            at=said.decided_at,
            waited=max(said.decided_at - since, 0.0),
            kind=said.kind,
            stage=said.stage,
            who=person_hash(said.person),
            rule=rule,
            delegated=said.on_behalf_of is not None,
        )


def measured(answers: Iterable[GivenAnswer]) -> Measured:
    """What answers come to, counted one by one: what every store has to find."""
    rows = list(answers)
    people = sorted({one.who for one in rows})
    pairs = sorted({(one.who, one.rule) for one in rows})
    return Measured(
        approvers=tuple(_approver(who, [one for one in rows if one.who == who]) for who in people),
        rules=tuple(
            RuleCounts(
                who=who, rule=rule, counts=_counts(one for one in rows if (one.who, one.rule) == (who, rule))
            )
            for who, rule in pairs
        ),
        requests=_agreement(rows, lambda one: (one.approval_id,)),
        stages=_agreement(rows, lambda one: (one.approval_id, one.stage)),
        delegates=_agreement(rows, lambda one: (one.approval_id,), delegates=True),
    )


def _approver(who: str, rows: Sequence[GivenAnswer]) -> ApproverCounts:
    times = sorted(one.waited for one in rows)
    return ApproverCounts(
        who=who,
        counts=_counts(rows),
        delegated=sum(one.delegated for one in rows),
        median=_percentile(times, MEDIAN),
        slow=_percentile(times, SLOW),
        example=min(one.approval_id for one in rows),
    )


def _percentile(times: Sequence[float], part: int) -> float:
    return next(time for rank, time in enumerate(times, start=1) if rank * 100 >= part * len(times))


def _counts(rows: Iterable[GivenAnswer]) -> AnswerCounts:
    return AnswerCounts(**Counter[str](one.kind for one in rows))


def _agreement(
    rows: Iterable[GivenAnswer],
    about: Callable[[GivenAnswer], tuple[str | int, ...]],
    *,
    delegates: bool = False,
) -> Agreement:
    groups: dict[tuple[str | int, ...], list[GivenAnswer]] = {}
    for one in rows:
        if one.kind != "break_glass":
            groups.setdefault(about(one), []).append(one)
    compared = [
        found
        for found in groups.values()
        if len({one.who for one in found}) > 1
        and (not delegates or len({one.delegated for one in found}) > 1)
    ]
    agreed = [found for found in compared if len({one.kind in YES for one in found}) == 1]
    return Agreement(compared=len(compared), agreed=len(agreed))
