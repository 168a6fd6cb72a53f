"""Turns, leases and stops: what the store knows about a thread."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import Field

from guardkit.core.no_result import NoResult
from guardkit.core.principals import Principal
from guardkit.core.steps import Observation
from guardkit.core.values import JsonObject, Value


class TurnStatus(StrEnum):
    """Where a turn stands."""

    RUNNING = "running"
    """A run holds the lease, or one died holding it."""
    PAUSED = "paused"
    """It waits for people or for the user."""
    DONE = "done"
    """The graph came to its end."""
    FAILED = "failed"
    """User code raised; it can be continued."""
    ENDED = "ended"
    """It ended with a `NoResult`; nothing more happens in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """The right to write: one run's lease on one thread."""

    tenant: str
    thread_id: str
    turn: int
    run_id: str
    token: int
    """The fence: grows with every lease on the thread; a smaller one is stale."""


class Marks(Value):
    """What checks found in a turn. It outlives the run that found it: a pause must not loosen anything."""

    flags: tuple[str, ...] = ()
    """Names of the observation checks that did not pass, sorted."""

    wary: str | None = None
    """Why every further effect of the turn goes to people."""

    complete: str | None = None
    """Why no further effect may run in the turn."""

    loose: tuple[Observation, ...] = ()
    """What untrusted tools returned to node code: no message of the state holds it."""

    unseen: bool = False
    """Whether `loose` may lack some of it, because a run died: where values come from is then not known."""


class Turn(Value):
    """One user input and everything that follows from it until the next."""

    tenant: str
    thread_id: str
    number: int
    agent: str
    principal: Principal
    fingerprint: str
    policy_version: str
    salt: str
    status: TurnStatus
    no_result: NoResult | None = None
    opened_at: float
    """Seconds since the epoch, by the database's clock."""

    active_seconds: float = 0.0
    """Time spent running so far, pauses excluded."""

    tool_calls: int = 0
    steps: int = 0
    marks: Marks = Marks()


class Opening(Value):
    """What a run says when it starts."""

    tenant: str
    thread_id: str
    agent: str
    owner: str
    """Names the process, for operators."""

    lease_seconds: float
    new_turn: bool
    """Whether there is new input; otherwise the latest turn is continued."""

    principal: Principal | None = None
    """Who the turn is for; needed with `new_turn`."""

    input: bytes | None = None
    """The serialised input, to start again from if the run dies before its first checkpoint."""

    fingerprint: str
    policy_version: str
    run_id: str | None = Field(default=None, min_length=1, max_length=64)
    """The id that the run gets, new for every run; `None` lets the store make one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A lease, and the turn that it is for."""

    run: RunRef
    turn: Turn
    stop: "StopOrder | None"
    """The stop in force, if any."""


class Closing(Value):
    """What a run says when it ends."""

    status: Literal["paused", "done", "failed", "ended"]
    active_seconds: float
    """Time this run took."""

    tool_calls: int
    """Tool calls of the turn so far."""

    steps: int
    marks: Marks = Marks()
    waits_for: tuple[str, ...] | None = None
    """Ids of the approvals that the graph still waits for; what else is pending of the turn is withdrawn, so that nobody
    is asked about a call that no longer stands, and no such question holds up the others. When the turn is done, what was
    approved and not used is withdrawn as well. `None` withdraws nothing."""


StopScope = Literal["run", "thread", "agent", "tenant", "everything"]


class StopOrder(Value):
    """An operator's emergency stop. Lasts until it is lifted."""

    id: str
    scope: StopScope
    tenant: str | None = None
    """`None` for `everything`."""

    target: str | None = None
    """The run id, thread id or agent name; `None` for `tenant` and `everything`."""

    by: str
    why: str
    at: float

    def covers(self, *, tenant: str, thread_id: str, agent: str, run_id: str | None = None) -> bool:
        """Whether this order stops that run."""
        if self.scope == "everything":
            return True
        if self.tenant != tenant:
            return False
        match self.scope:
            case "tenant":
                return True
            case "agent":
                return self.target is not None and agent.removesuffix("@embedded") == self.target
            case "thread":
                # A guarded graph inside an unguarded one holds "thread|node path".
                return self.target is not None and (
                    thread_id == self.target or thread_id.startswith(f"{self.target}|")
                )
            case "run":
                return self.target is not None and self.target == run_id


class DueThread(Value):
    """A thread that a worker has to look at."""

    tenant: str
    thread_id: str
    agent: str
    turn: int
    why: str
    """`decided`, `expired`, `stopped`, `abandoned`."""

    attempts: int
    """How often workers have tried already."""

    seen: str = ""
    """What the store knew when it handed the thread out; opaque. What has become due since stays due."""


class ThreadRow(Value):
    """A thread as operators see it."""

    tenant: str
    thread_id: str
    agent: str
    turn: int
    status: TurnStatus
    opened_at: float
    pending_approvals: int
    dead_letter: str | None = None
    """Why workers gave up on it, if they did."""


class Delivery(Value):
    """One message to people that has to go out."""

    id: str
    approval_id: str
    tenant: str
    channel: str
    kind: Literal["ask", "remind", "update", "outcome", "review"]
    """`ask` the people of a stage, `remind` those who have not answered, `update` what earlier messages show, tell the
    `outcome`, or ask for the `review` of a broken glass."""

    stage: int
    """0-based; the number of stages where it goes to no stage's people but to reviewers."""

    attempts: int


class Message(Value):
    """A delivery and what became of it, for those who look back."""

    id: str
    """The delivery's, which decisions name."""

    approval_id: str
    channel: str
    kind: Literal["ask", "remind", "update", "outcome", "review"]
    stage: int
    """0-based."""

    escalation: int = 0
    """Of an `ask`: which escalation of its stage it carries out, 1 for the first; 0 for the stage's own people."""

    attempts: int
    delivered_at: float | None = None
    """Seconds since the epoch, by the database's clock; `None` while it has not gone out."""

    rendered: str | None = None
    """`presentation_hash` of what was rendered when it went out last."""

    error: str | None = None
    """What the last attempt failed with, if it did."""


class Post(Value):
    """One copy of a question that a channel has put somewhere, or may have put there."""

    id: str
    """At most 64 characters, the channel's choice; the same copy keeps its id."""

    approval_id: str
    tenant: str
    channel: str
    delivery: str | None
    """Id of the delivery that it came from; `None` for a copy that was found later."""

    stage: int
    recipient: str
    """Where or to whom, e.g. a conversation's id or `Person.id`."""

    address: JsonObject | None = None
    """How the channel finds the copy again; `None` while it is not known whether there is one."""

    version: int
    """The `Approval.version` that it shows."""

    open: bool = True
    """Whether it still offers to decide."""


class Contact(Value):
    """How a channel reaches somebody who has to be met first, e.g. a conversation that a bot was added to."""

    tenant: str
    channel: str
    key: str
    """E.g. the person's identity in that channel."""

    reference: JsonObject
