"""The desk: the one way in for what people say, whatever brings it.

The web inbox, the command line and the channels verify who somebody is and hand the identity in; the desk finds the
human being behind it, judges by the rules of `guardkit.core.approvals`, signs and stores. A process that runs graphs
holds no signing key: its desk closes what is over, and takes no answer.
"""

from collections.abc import Sequence
from functools import partial

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalState,
    DecisionKind,
    close,
)
from guardkit.core.asked import WHY_LIMIT
from guardkit.core.askers import Askers
from guardkit.core.audit import AuditEvent
from guardkit.core.deciding import decide, sure_enough
from guardkit.core.edits import edit_problems
from guardkit.core.granting import check_saying, terms_of
from guardkit.core.listings import ListName, ListQuery
from guardkit.core.people import Assurance, Directory, Person
from guardkit.core.signing import DecisionSigner
from guardkit.core.standing import StandingWish
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.batches import Batches
from guardkit.runtime.changing import (
    Changes,
    DeskStore,
    check_shown,
    check_version,
    check_words,
    event_of,
    facts_of,
    place_of,
)
from guardkit.runtime.emergencies import Emergencies
from guardkit.runtime.events import Attributes, NoTelemetry, Telemetry
from guardkit.runtime.lists import ListPage, Lists
from guardkit.runtime.measuring import Measuring
from guardkit.runtime.pace import Pace
from guardkit.runtime.speaking import Speakers, is_over
from guardkit.runtime.standing import StandingDesk
from guardkit.runtime.telling import answered, counted, settled
from guardkit.runtime.withdrawing import Withdrawals, cancel

LISTED = 1000
"""How much of what waits for somebody is told at once."""


class Desk:
    """Takes people's decisions on approvals.

    Args:
        store: where approvals and the audit chain are.
        directory: who people are, and what they may decide.
        signer: signs decisions, in a process that takes answers.
        telemetry: sees decisions go by; none by default.

    Attributes:
        withdrawals: where whoever asked looks at their questions, and withdraws them.
        emergencies: where the glass is broken, and where that is reviewed.
        standing: where standing approvals are listed and ended.
        batches: where several questions are decided on together.
        measuring: counts what people answered.
    """

    def __init__(
        self,
        store: DeskStore,
        directory: Directory,
        signer: DecisionSigner,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._speakers = Speakers(directory)
        self._lists = Lists(store, self._speakers)
        self._signer = signer
        self._telemetry = telemetry or NoTelemetry()
        self._pace = Pace()
        self._changes = Changes(store, self._telemetry)
        self.withdrawals = Withdrawals(store, directory, self._changes)
        self.emergencies = Emergencies(store, directory, signer, self._telemetry)
        self.standing = StandingDesk(store, directory, signer)
        self.measuring = Measuring(store, directory, self._speakers)
        self.batches = Batches(store, directory, self._speakers, self._changes, self.decide)

    def decide(
        self,
        approval_id: str,
        *,
        identity: str,
        digest: str,
        kind: DecisionKind,
        assurance: Assurance,
        via: str,
        reason: str | None = None,
        args: JsonObject | None = None,
        delivery: str | None = None,
        version: int | None = None,
        shown: str | None = None,
        overtaken: bool = False,
        standing: StandingWish | None = None,
    ) -> Approval:
        """Take one person's decision: all of it counts, audited in the same transaction, or nothing changes.

        A refused attempt is audited too, without anything that the person wrote.

        Args:
            approval_id: which question.
            identity: whom the caller has verified, as the directory knows people: an id, an e-mail address, or a
                channel's own name for somebody.
            digest: the digest that was on the person's screen.
            kind: what was said.
            assurance: how surely the identity is theirs.
            via: the name of the approval channel, or `web`, `cli`.
            reason: in the person's words; required with `reject` and `respond`, and where the route demands a comment;
                at most 4,000 characters.
            args: the arguments to use instead; with `edit`, and only with it.
            delivery: id of the message that was answered, or of the request that brought it; `inbox` or `cli` where
                the person came by none.
            version: the `Approval.version` that was on the person's screen; another one is refused, so that nobody
                answers without what others have said meanwhile. `None` where a digest says enough.
            shown: the `presentation_hash` of what was on the person's screen; another one is refused. It is signed
                with the decision.
            overtaken: whether `shown` may be of before others have answered, as long as the same is asked. For
                messages, which their answers overtake.
            standing: what the person adds to a yes of actions like this one, where the policy permits it. It becomes a
                standing approval if everybody whose approval is needed says it, as far as the tightest of them goes.

        Returns:
            The approval as it stands now.

        Raises:
            UnknownApprovalError: there is none with this id in the person's tenant.
            DecisionRefusedError: the decision does not count; `reason` says why.
            MissingKeyError: this process takes no answers; nothing changed.
            StorageError: the database cannot be reached; nothing changed.
        """
        person = self._directory.find(identity)
        if person is None:
            self._changes.refuse_stranger(approval_id, assurance, via)
        seen: Approval | None = None

        def decided(approval: Approval, at: float) -> tuple[Approval, list[AuditEvent]]:
            nonlocal seen
            seen = approval
            seat = self._speakers.seat(approval, person, at)
            check_version(approval, version)
            if digest == approval.digest:  # else that is told: it says more
                check_shown(approval, shown, overtaken=overtaken)
            check_words(reason)
            if args is not None and digest == approval.digest:
                _check_edit(approval, args)
            stages = sure_enough(approval.request, seat.stages, assurance)
            decision = ApprovalDecision(
                approval_id=approval_id,
                digest=digest,
                kind=kind,
                person=person.id,
                on_behalf_of=None if seat.absent is None else seat.absent.id,
                assurance=assurance,
                via=via,
                shown=shown,
                delivery=delivery,
                reason=reason,
                args=args,
                stage=stages[0],
                seats=stages if len(stages) > 1 else (),
                exemption=None
                if seat.absent is not None
                else approval.request.exemption(person, Askers(tuple(seat.askers), at)),
                standing=None if standing is None else terms_of(approval.request, standing),
                decided_at=at,
            )
            check_saying(approval, decision)
            # First unsigned, so that nothing is signed that does not count.
            judged = partial(
                decide, person=person, absent=seat.absent, others=seat.others, askers=seat.askers
            )
            judged(approval, decision)
            decision = self._signer.decision(decision)
            after = judged(approval, decision)
            return after, [event_of("approval.decided", after, **facts_of(decision), **place_of(after))]

        after = self._changes.said(approval_id, person, decided, assurance=assurance.value, via=via)
        how = {names.APPROVAL_CHANNEL: via, names.APPROVAL_ASSURANCE: assurance.value}
        read = self._read(after, after.args if seen is None else seen.args)
        answered(self._telemetry, names.DECIDE_APPROVAL, after, {names.APPROVAL_SAID: kind, **how, **read})
        counted(self._telemetry, after, kind)
        return after

    def _read(self, approval: Approval, args: JsonObject) -> Attributes:
        """What telemetry is told of an approval that nobody can have read."""
        request = approval.request
        needed = self._pace.too_short(request, args, approval.decisions[-1])
        if needed is None:
            return {}
        about = {names.POLICY_ID: request.policy, names.TOOL: request.action.tool}
        self._telemetry.measure(names.HASTY, 1, about)
        return {names.APPROVAL_READING: needed}

    def refusal(
        self, approval: Approval, person: Person, assurance: Assurance, now: float | None = None
    ) -> DecisionRefusedError | None:
        """Why this person could not decide now, whatever they said, or `None` when they could.

        Args:
            approval: as it stands.
            person: the directory's record.
            assurance: how surely it is them.
            now: seconds since the epoch, by the database's clock; asked for if not given.
        """
        request = approval.request
        now = self._store.now() if now is None else now
        try:
            stages = self._speakers.seat(approval, person, now).stages
            if is_over(approval, now):
                return DecisionRefusedError("expired", "the time to decide is over")
            sure_enough(request, stages, assurance)
        except DecisionRefusedError as error:
            return error
        return None

    def seats(self, approval: Approval, person: Person) -> tuple[int, ...]:
        """0-based indexes of the stages in one of which this person's answer would count now; none when it would not."""
        try:
            return self._speakers.seat(approval, person, self._store.now()).stages
        except DecisionRefusedError:
            return ()

    def see(self, approval_id: str, person: Person) -> Approval:
        """An approval that this person may look at: they are among the approvers of one of its stages, or decided.

        Raises:
            UnknownApprovalError: there is none, or it is not for their eyes; callers cannot tell which.
        """
        approval = self._store.find(approval_id)
        if approval is None or not self.may_look(approval, person):
            raise UnknownApprovalError("there is no such approval")
        return approval

    def look(self, approval_id: str, person: Person) -> Approval:
        """An approval as far as this person may see it: all of it as `see`, or what whoever asked may; see `Withdrawals`.

        Raises:
            UnknownApprovalError: there is none, or it is not for their eyes; callers cannot tell which.
        """
        try:
            return self.see(approval_id, person)
        except UnknownApprovalError:
            return self.withdrawals.see(approval_id, person)

    def may_look(self, approval: Approval, person: Person, now: float | None = None) -> bool:
        """Whether an approval is for this person's eyes; see `see`.

        Args:
            approval: as it stands.
            person: the directory's record.
            now: seconds since the epoch, by the database's clock; asked for if not given.
        """
        return self._speakers.concerns(approval, person, self._store.now() if now is None else now)

    def waiting(self, person: Person) -> Sequence[Approval]:
        """What this person may decide now, first due first: the first 1,000 of it."""
        waiting = ListQuery(list=ListName.WAITING)
        return self._lists.some(person, waiting, self._store.now(), LISTED)

    def page(
        self, person: Person, query: ListQuery, *, limit: int = 25, cursor: str | None = None
    ) -> ListPage:
        """A part of one of a person's lists.

        Go on by the page's own cursors: what is decided meanwhile leaves a list and shifts nothing in it. A page may
        hold fewer than `limit` although more follow, where much that may concern somebody turns out not to.

        Args:
            person: the directory's record.
            query: which list, and what of it.
            limit: how many at most, 1 to 1000.
            cursor: `next` or `previous` of another page of the same list.

        Raises:
            InputError: `limit` or `cursor` cannot be used, or the cursor is of another list.
        """
        return self._lists.page(person, query, self._store.now(), limit=limit, cursor=cursor)

    def count(self, person: Person, query: ListQuery, most: int = 100) -> int:
        """How much stands in a person's list; `most` also where it is more."""
        return len(self._lists.some(person, query, self._store.now(), most))

    def expire(self, limit: int = 100) -> int:
        """Close open approvals whose time is over. Returns how many were closed."""
        count = 0
        for approval in self._store.expirable(limit):
            closed = close(approval, ApprovalState.EXPIRED, self._store.now())
            if self._store.settle(closed, approval.version, [event_of("approval.expired", closed)]):
                settled(self._telemetry, approval, closed)
                answered(self._telemetry, names.EXPIRE_APPROVAL, closed, {})
                count += 1
        return count

    def cancel(self, approval_id: str, by: str, why: str) -> Approval:
        """Withdraw a question that is not consumed yet, as an operator.

        Args:
            approval_id: which question.
            by: the operator, for the audit log.
            why: the operator's reason, for the audit log; cut to 500 characters.

        Raises:
            UnknownApprovalError: there is none with this id.
            DecisionRefusedError: `already_settled`, `reason_required` or `reason_invalid`.
        """
        return cancel(self._changes, approval_id, by=by, why=why[:WHY_LIMIT])


def _check_edit(approval: Approval, args: JsonObject) -> None:
    problems = edit_problems(approval.request.args_schema, args)
    if problems:
        said = "; ".join(f"{problem.path} {problem.message}" for problem in problems[:5])
        raise DecisionRefusedError("edit_invalid", said)
