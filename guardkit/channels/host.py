"""What a channel is given by the process that it runs in."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from urllib.parse import quote

from pydantic import SecretStr

from guardkit.channels.http import Receiving
from guardkit.core.approvals import Approval, ApprovalDecision, waiting_since
from guardkit.core.asked import was_asked_by
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import broken, requesters
from guardkit.core.people import Directory, Person, Roster
from guardkit.core.ports import ApprovalChannel, Store
from guardkit.core.presentation import Said
from guardkit.core.reviews import reviewers
from guardkit.core.stages import ApprovalStage, Wait
from guardkit.core.values import Json
from guardkit.core.visible import one_line
from guardkit.errors import ChannelError, ConfigurationError
from guardkit.runtime.askers import askers_of
from guardkit.runtime.desk import Desk

log = logging.getLogger("guardkit")

EVERYBODY = "*"
"""Whose audit chain a refused callback is in that names no tenant's approval."""

REVIEWER = "review:"
"""How the recipients of posts begin that ask for the review of a broken glass."""

ASKER = "asker:"
"""How the recipients of posts begin that tell whoever asked how it ended."""

_BURST = 20
_REFILL = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHost:
    """The worker's or the inbox's process, as a channel sees it."""

    name: str
    """The name by which policies call the channel."""

    desk: Desk
    """Takes decisions, where the process holds the decision key; elsewhere it raises `MissingKeyError`."""

    store: Store
    directory: Directory
    inbox: str | None = None
    """Where people see the whole of an approval: scheme, host and port of the web inbox."""

    secret: SecretStr | None = None
    """The web secret, which signs links."""

    refusals: "Refusals" = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count refusals."""
        object.__setattr__(self, "refusals", Refusals(self.store, self.name))

    def link(self, approval: Approval, delivery: str | None = None) -> str | None:
        """Where people see the whole of an approval, if there is a web inbox.

        Args:
            approval: as it stands.
            delivery: id of the delivery whose message holds the link: what is decided there names it.
        """
        return None if self.inbox is None else inbox_link(self.inbox, approval, delivery)

    def who(self, identity: str) -> str:
        """The name of a person by any identity; the identity itself when nobody has it."""
        person = self.directory.find(identity)
        return one_line(identity if person is None else person.name or person.email or person.id, 200)

    def speaker(self, said: ApprovalDecision | Said) -> str:
        """The name of whoever said something, and for whom."""
        absent = "" if said.on_behalf_of is None else f" for {self.who(said.on_behalf_of)}"
        return f"{self.who(said.person)}{absent}"

    def asker(self, approval: Approval) -> Person | None:
        """Whoever the turn acts for, where the directory knows them as an active person of the tenant."""
        person = self.directory.find(approval.request.principal.id)
        return person if person is not None and was_asked_by(approval.request, person) else None

    def approvers(self, approval: Approval, stage: int) -> Sequence[Person]:
        """Everybody who may answer in a stage now and whom this channel reaches, by the order of the policy.

        Raises:
            ChannelError: the stage names a group, and the directory cannot list people; or it is nobody.
        """
        wait = None
        if stage in approval.waiting():
            wait = Wait(since=waiting_since(approval, stage), at=self.store.now())
        asked = tuple(self._approvers(approval, approval.request.stages[stage], wait))
        found = tuple(dict.fromkeys((*asked, *self._delegates(approval, stage, asked))))
        if not found:
            raise ChannelError(f"channel {self.name!r}: nobody may answer in stage {stage + 1}")
        return found

    def review_link(self, approval: Approval) -> str | None:
        """Where people review an approval's broken glass, if there is a web inbox."""
        return None if self.inbox is None else f"{self.inbox.rstrip('/')}/reviews/{approval.request.id}"

    def reviewers(self, approval: Approval) -> Sequence[Person]:
        """Everybody who may review an approval's broken glass now.

        Raises:
            ChannelError: the policy names a group, and the directory cannot list people; or it is nobody.
        """
        glass, said = approval.request.break_glass, broken(approval)
        if glass is None or said is None:
            return ()
        if glass.review_groups and not isinstance(self.directory, Roster):
            raise ChannelError(
                f"channel {self.name!r} has to write to a group, and the directory cannot list people",
                remedy="give it a method people_of(tenant)",
            )
        named = (*glass.reviewers, said.person, *requesters(approval.request))
        found = [self.directory.find(identity) for identity in named]
        if isinstance(self.directory, Roster):
            found += self.directory.people_of(approval.request.tenant)
        people = dict.fromkeys(person for person in found if person is not None)
        some = reviewers(approval, people, self.store.now())
        if not some:
            raise ChannelError(f"channel {self.name!r}: nobody may review the broken glass")
        return some

    def _approvers(self, approval: Approval, stage: ApprovalStage, wait: Wait | None) -> Iterator[Person]:
        request = approval.request
        late = (step for step in stage.escalations if wait is not None and stage.begun(step, wait))
        steps = [step for step in (stage, *late) if self.name in step.channels]
        named = (self.directory.find(identity) for step in steps for identity in step.approvers)
        if any(step.groups for step in steps) and not isinstance(self.directory, Roster):
            raise ChannelError(
                f"channel {self.name!r} has to write to a group, and the directory cannot list people",
                remedy="give it a method people_of(tenant)",
            )
        listed = self.directory.people_of(request.tenant) if isinstance(self.directory, Roster) else ()
        askers = askers_of(self.directory, request, self.store.now())
        for person in dict.fromkeys(person for person in (*named, *listed) if person is not None):
            reached = any(step.admits(person) for step in steps)
            there = person.active and person.tenant == request.tenant
            if there and reached and not request.excludes(person, None, askers):
                yield person

    def _delegates(self, approval: Approval, stage: int, asked: Sequence[Person]) -> Iterator[Person]:
        request = approval.request
        if not request.stages[stage].delegation:
            return
        now = self.store.now()
        askers = askers_of(self.directory, request, now)
        for absent, one in ((person, one) for person in asked for one in person.delegations):
            person = self.directory.find(one.to) if one.in_force(now) else None
            if person is None or not person.active or person.tenant != request.tenant:
                continue
            if not request.excludes(person, absent, askers):
                yield person


def inbox_link(inbox: str, approval: Approval, delivery: str | None) -> str:
    """Where people see the whole of an approval.

    Args:
        inbox: scheme, host and port of the web inbox.
        approval: as it stands.
        delivery: id of the delivery whose message holds the link.
    """
    named = "" if delivery is None else f"?delivery={quote(delivery, safe='')}"
    return f"{inbox.rstrip('/')}/approvals/{approval.request.id}{named}"


class Refusals:
    """Callbacks that were refused, in the audit log: each one, or their number where somebody sends many.

    Args:
        store: where the audit log is.
        channel: the channel's name.
        clock: returns seconds; when there is room for another entry.
    """

    def __init__(self, store: Store, channel: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._channel = channel
        self._clock = clock
        self._lock = threading.Lock()
        self._room = float(_BURST)
        self._at = clock()
        self._left_out = 0

    def note(self, why: str, *, approval: Approval | None = None) -> None:
        """Write down that a callback was refused, without anything that was in it.

        At most 20 at once and one every three seconds are written; the next entry says how many were left out.

        Args:
            why: a stable identifier, e.g. `bad_signature`.
            approval: the approval that it was about, when the sender is authentic.

        Raises:
            StorageError: the log cannot be written.
        """
        with self._lock:
            now = self._clock()
            self._room = min(_BURST, self._room + (now - self._at) / _REFILL)
            self._at = now
            if self._room < 1:
                self._left_out += 1
                return
            self._room -= 1
            left_out, self._left_out = self._left_out, 0
        data: dict[str, Json] = {"channel": self._channel, "why": why}
        if left_out:
            data["left_out"] = left_out
        if approval is None:
            self._store.append(EVERYBODY, [AuditEvent(kind="channel.refused", data=data)])
            return
        request = approval.request
        event = AuditEvent(
            kind="channel.refused",
            thread_id=request.thread_id,
            turn=request.turn,
            data={**data, "approval": request.id},
        )
        self._store.append(request.tenant, [event])


@runtime_checkable
class Attachable(Protocol):
    """A channel that needs its host: to take answers, or to remember where its messages are."""

    def attach(self, host: ChannelHost) -> None:
        """Begin to work in this process.

        Raises:
            ConfigurationError: a token, key or extra is missing.
        """
        ...


@runtime_checkable
class Listening(Protocol):
    """A channel that holds a connection to its messenger while a worker runs."""

    def open(self) -> None:
        """Connect, and take answers until `close`. Returns when the first connection stands.

        Raises:
            ChannelError: it cannot be connected.
        """
        ...

    def close(self) -> None:
        """Disconnect. What has been taken is finished first."""
        ...


@runtime_checkable
class ListensIfTold(Listening, Protocol):
    """One that connects only where it is given what that needs, such as a token."""

    @property
    def listens(self) -> bool:
        """Whether `open` connects.

        Raises:
            ConfigurationError: what it is given cannot be used.
        """
        ...


def check_nobody_listens(channels: Mapping[str, ApprovalChannel]) -> None:
    """See that no answer would get lost in a process that takes none.

    Raises:
        ConfigurationError: a channel would take answers by a connection of its own.
    """
    for name, channel in channels.items():
        if isinstance(channel, Listening) and (not isinstance(channel, ListensIfTold) or channel.listens):
            raise ConfigurationError(
                f"channel {name!r} takes answers by a connection of the worker, and this worker takes none",
                remedy="let a process of its own take them, which runs no graph and holds the decision key: `guardkit worker "
                "--parts messages,answers`; keep the channel's listening token from this one, or give it --parts runs. On a "
                "machine of your own --parts runs,messages,answers does it all in one",
            )


@runtime_checkable
class ReceivingChannel(ApprovalChannel, Receiving, Protocol):
    """A channel with an address on the inbox's server."""


class Attaching:
    """Gives the channels of a process what they need of it. Safe to call again.

    Args:
        channels: by the names that policies use.
        host: makes the host of a channel with a name.
    """

    def __init__(self, channels: Mapping[str, ApprovalChannel], host: Callable[[str], ChannelHost]) -> None:
        self._channels = channels
        self._host = host
        self._attached: set[str] = set()

    def __call__(self) -> bool:
        """Attach what is not attached yet.

        Returns:
            Whether all are. One whose messenger does not answer is left for the next call.

        Raises:
            ConfigurationError: a channel lacks a token, a key or an extra.
        """
        ready = True
        for name, channel in self._channels.items():
            if name in self._attached or not isinstance(channel, Attachable):
                continue
            try:
                channel.attach(self._host(name))
            except ChannelError as error:
                log.warning("channel %r is not attached yet: %s", name, error.message)
                ready = False
            else:
                self._attached.add(name)
        return ready
