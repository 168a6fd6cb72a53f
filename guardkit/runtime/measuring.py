"""How people's answers came out: rates, agreement and load, with the names that a hash stands for."""

from collections.abc import Iterable

from guardkit.core.approvals import Approval
from guardkit.core.listings import keys_of
from guardkit.core.people import Directory, Person, Roster
from guardkit.core.stats import Agreement, AnswerCounts, ApproverCounts, Measured, person_hash
from guardkit.core.values import Value
from guardkit.errors import InputError
from guardkit.runtime.changing import DeskStore
from guardkit.runtime.speaking import Speakers

LONGEST = 400 * 86400.0
"""Seconds of the longest window."""


class ApproverStats(Value):
    """One person's answers and load."""

    person: str | None
    """`Person.id`; `None` where the approval that says it is no longer kept."""

    open: int
    """What waits for them now; stops at 10,000. 0 for somebody whom the directory does not have."""

    answered: int
    counts: AnswerCounts
    delegated: int
    """Of these, how many for somebody who was away."""

    median_seconds: float | None
    """From when a stage began to wait to the answer; `None` without an answer, like the next one."""

    slow_seconds: float | None
    """90 of 100 answers took no longer."""


class ApproverRuleStats(Value):
    """What one person answered where one rule asked."""

    person: str | None
    rule: str
    """Names of the rules that asked, joined by commas; empty where none has a name."""

    answered: int
    counts: AnswerCounts


class RuleStats(Value):
    """What people answered where one rule asked."""

    rule: str
    answered: int
    counts: AnswerCounts


class DeskStats(Value):
    """What a tenant's people answered in a window, and what waits for them now."""

    tenant: str
    since: float
    """Seconds since the epoch, like the next one."""

    until: float
    counts: AnswerCounts
    requests: Agreement
    stages: Agreement
    delegates: Agreement
    rules: tuple[RuleStats, ...]
    approvers: tuple[ApproverStats, ...]
    """Most answers first."""

    by_rule: tuple[ApproverRuleStats, ...]


class Measuring:
    """Measures a desk.

    Args:
        store: where answers are counted.
        directory: who people are.
        speakers: knows whose delegates they are.
    """

    def __init__(self, store: DeskStore, directory: Directory, speakers: Speakers) -> None:
        self._store = store
        self._directory = directory
        self._speakers = speakers

    def stats(self, tenant: str, seconds: float) -> DeskStats:
        """What a tenant's people answered in the last so many seconds, and what waits for them now.

        Somebody who has answered nothing is among the approvers while something waits for them, if the directory can
        list people.

        Args:
            tenant: whose.
            seconds: how long ago the window begins, at most 400 days.

        Raises:
            InputError: the window is none, or too long.
        """
        if not 0 < seconds <= LONGEST:
            raise InputError(
                f"a window of {seconds:g} s cannot be measured", remedy="more than 0 s, at most 400d"
            )
        now = self._store.now()
        since = max(now - seconds, 0.0)
        found = self._store.measure(tenant, since, now)
        people = {person_hash(one.id): one for one in self._people(tenant)}
        named = {one.who: self._name(one, people) for one in found.approvers}
        answered = {one.who: one for one in found.approvers}
        loads = {who: self._load(one, now) for who, one in people.items()}
        listed = [
            _approver(named.get(who) or people[who].id, answered.get(who), loads.get(who, 0))
            if who in people
            else _approver(named[who], answered[who], 0)
            for who in (*answered, *(one for one, load in loads.items() if load and one not in answered))
        ]
        return DeskStats(
            tenant=tenant,
            since=since,
            until=now,
            counts=_sum(one.counts for one in found.approvers),
            requests=found.requests,
            stages=found.stages,
            delegates=found.delegates,
            rules=tuple(_rules(found)),
            approvers=tuple(sorted(listed, key=lambda one: (-one.answered, -one.open, one.person or ""))),
            by_rule=tuple(
                ApproverRuleStats(
                    person=named[one.who], rule=one.rule, answered=one.counts.total, counts=one.counts
                )
                for one in found.rules
            ),
        )

    def _people(self, tenant: str) -> Iterable[Person]:
        if not isinstance(self._directory, Roster):
            return ()
        return [one for one in self._directory.people_of(tenant) if one.active]

    def _load(self, person: Person, now: float) -> int:
        keys = keys_of(person, self._speakers.all_away(person, now))
        return self._store.count_waiting(person.tenant, keys)

    def _name(self, counts: ApproverCounts, people: dict[str, Person]) -> str | None:
        if counts.who in people:
            return people[counts.who].id
        approval: Approval | None = self._store.find(counts.example)
        if approval is None:
            return None
        return next((one.person for one in approval.decisions if person_hash(one.person) == counts.who), None)


def _approver(person: str | None, counts: ApproverCounts | None, waiting: int) -> ApproverStats:
    given = AnswerCounts() if counts is None else counts.counts
    return ApproverStats(
        person=person,
        open=waiting,
        answered=given.total,
        counts=given,
        delegated=0 if counts is None else counts.delegated,
        median_seconds=None if counts is None else counts.median,
        slow_seconds=None if counts is None else counts.slow,
    )


def _rules(found: Measured) -> Iterable[RuleStats]:
    for rule in sorted({one.rule for one in found.rules}):
        counts = _sum(one.counts for one in found.rules if one.rule == rule)
        yield RuleStats(rule=rule, answered=counts.total, counts=counts)


def _sum(counts: Iterable[AnswerCounts]) -> AnswerCounts:
    several = list(counts)
    return AnswerCounts(
        **{name: sum(getattr(one, name) for one in several) for name in AnswerCounts.model_fields}
    )
