"""What a policy file holds, field by field. Meaning that needs more than one field is checked by `Policy`.

The same models build a policy in Python; `PolicyDocument.model_dump(mode="json", exclude_none=True)` is the file again.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from guardkit.core.approvals import DecisionKind, OnExpiry, Order
from guardkit.core.calendars import BusinessTime, Calendar
from guardkit.core.no_result import NoResultReason
from guardkit.core.people import Assurance
from guardkit.core.values import JsonObject
from guardkit.policy.calendars import CalendarEntry, LocalTime
from guardkit.policy.durations import Delay, Duration, format_delay
from guardkit.policy.emergencies import BreakGlassEntry
from guardkit.policy.sections import Section, mistake
from guardkit.policy.standing import StandingEntry

Otherwise: TypeAlias = Literal["allow", "reject", "escalate"]
Decide: TypeAlias = Literal["allow", "escalate", "reject", "stop"]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Line: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]
ToolName: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class ToolRule(Section):
    """One condition on a tool's calls and what it demands."""

    id: Name
    """Unique in the policy: decisions, the audit log and telemetry name it."""

    when: Annotated[str, Field(min_length=1, max_length=2000)]
    """The condition, in CEL."""

    decide: Decide
    why: Line | None = None
    """For people and the audit log; needed unless the rule allows."""

    tell_model: Line | None = None
    """What the model may know of a rejection."""

    approval: Name | None = None
    """The route of an escalation; by default the tool's."""

    reason: NoResultReason | None = None
    """The reason of a stop; by default `policy_denied`."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.why is None and self.decide != "allow":
            raise mistake(f"a rule that decides {self.decide!r} needs a why", remedy="say why, for people")
        for part, owner in (("tell_model", "reject"), ("approval", "escalate"), ("reason", "stop")):
            if getattr(self, part) is not None and self.decide != owner:
                raise mistake(
                    f"belongs to {owner!r}, and this rule decides {self.decide!r}",
                    key=part,
                    remedy=f"remove {part}, or decide {owner}",
                )
        return self


class ToolEntry(Section):
    """What holds for the calls of one tool. In a file, a bare word stands for an entry without rules."""

    otherwise: Otherwise
    """What holds when no rule matches."""

    approval: Name | None = None
    """The route for escalations of this tool; by default the policy's `review`."""

    rules: tuple[ToolRule, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _bare_word(cls, data: Any) -> Any:
        return {"otherwise": data} if isinstance(data, str) else data


class Approver(Section):
    """One person or one group that may answer. In a file, bare text stands for a person's identity."""

    identity: Line | None = None
    """E.g. an e-mail address."""

    group: Line | None = None
    """A group of the directory."""

    @model_validator(mode="before")
    @classmethod
    def _bare_text(cls, data: Any) -> Any:
        return {"identity": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.identity is None) == (self.group is None):
            raise mistake("names neither a person nor a group, or both", remedy="name one of the two")
        return self

    @model_serializer
    def _compact(self) -> Any:
        return {"group": self.group} if self.group is not None else self.identity


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, Mapping | Approver) else value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Approvers: TypeAlias = Annotated[tuple[Approver, ...], BeforeValidator(_listed), Field(min_length=1)]
"""In a file also one bare `{group: name}`."""


Channels: TypeAlias = Annotated[
    tuple[Name, ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
]
"""In a file also one bare name."""


class StageEntry(Section):
    """Who must answer in one stage of a route."""

    role: Line | None = None
    """The role that approvers must hold as well."""

    approvers: Approvers
    required: Annotated[int, Field(ge=1, le=20, strict=True)] = 1
    reject_quorum: Annotated[int, Field(ge=1, le=20, strict=True)] | None = None
    """How many distinct people must reject before that ends it; by default the route's."""

    channel: Channels
    """The approval channels that reach them: one name, or several."""

    assurance: Assurance = Assurance.CHAT
    """The weakest assurance at which an answer counts."""

    calendar: Name | None = None
    """When its people work; by default the route's."""

    delegation: Annotated[bool, Field(strict=True)] | None = None
    """Whether the delegate of an approver who is away may answer; by default what the policy says of all stages."""


class EscalationEntry(Section):
    """Who else may answer once a stage has waited for some time."""

    after: Delay
    """From when the stage begins to wait."""

    add: Approvers
    role: Line | None = None
    """The role that they must hold as well; the stage's own is not asked of them."""

    channel: Channels
    """The approval channels that reach them: one name, or several."""


class ExemptionEntry(Section):
    """Why whoever started or steered the turn may decide on what comes of it, and who of them."""

    reason: Line
    """For people, the audit log and whoever reviews it."""

    people: Approvers | None = None
    """Who of those that may answer; everybody by default. In a file also one bare `{group: name}`."""


class RouteEntry(Section):
    """How people are asked."""

    stages: Annotated[tuple[StageEntry, ...], Field(min_length=1, max_length=10)]
    """In the order in which they are shown, and asked unless they are asked together."""

    order: Order = "in_turn"
    """Whether each stage waits for the one before it, or all of them wait at once."""

    reject_quorum: Annotated[int, Field(ge=1, le=20, strict=True)] = 1
    """How many distinct people must reject in one stage before that ends it."""

    comment_required: Annotated[tuple[Literal["approve", "edit"], ...], BeforeValidator(_one_or_more)] = ()
    """What needs a comment; `reject` and `respond` always do. In a file also one bare word."""

    exclude_requester: Annotated[bool, Field(strict=True)] = True
    """Whether whoever started or steered the turn may not decide."""

    exemption: ExemptionEntry | None = None
    """Why they may, where they are not excluded."""

    calendar: Name | None = None
    """When the people of its stages work."""

    expires_in: Delay
    """From the question to its expiry."""

    on_expiry: OnExpiry
    remind: tuple[Delay, ...] = ()
    """After how long whoever has not answered is reminded, from when a stage begins to wait."""

    remind_at: Annotated[tuple[LocalTime, ...], BeforeValidator(_one_or_more)] = ()
    """Local times at which whoever has not answered is reminded on each working day. In a file also one bare time."""

    escalate: tuple[EscalationEntry, ...] = ()
    """Who else may answer, in every stage of the route."""

    valid_for: Duration | None = None
    """Seconds from the last decision to the execution; `None` without limit."""

    allowed_decisions: tuple[DecisionKind, ...] = ("approve", "edit", "reject")
    break_glass: BreakGlassEntry | None = None
    """Who may settle a question alone in an emergency; without it nobody can."""

    standing: StandingEntry | None = None
    """What people may add to a yes, of actions like it; without it nothing."""

    @model_validator(mode="after")
    def _people_can_say_yes_and_no(self) -> Self:
        lacking = [word for word in ("approve", "reject") if word not in self.allowed_decisions]
        if lacking:
            raise mistake(
                f"lacks {' and '.join(map(repr, lacking))}",
                key="allowed_decisions",
                remedy="people must be able to say yes and no",
            )
        return self

    @model_validator(mode="after")
    def _words_that_people_can_say(self) -> Self:
        for kind in self.comment_required:
            if kind not in self.allowed_decisions:
                raise mistake(
                    f"demands a comment with {kind!r}, which is not among the allowed_decisions",
                    key="comment_required",
                    remedy=f"remove it, or allow {kind}",
                )
        return self

    @model_validator(mode="after")
    def _exemption_is_named(self) -> Self:
        if self.exclude_requester and self.exemption is not None:
            raise mistake(
                "whoever asked is excluded, so there is nothing to exempt",
                key="exemption",
                remedy="remove it, or say `exclude_requester: false` beside it",
            )
        if not self.exclude_requester and self.exemption is None:
            raise mistake(
                "false lets whoever asked decide, and names no exemption",
                key="exclude_requester",
                remedy='say why with `exemption: {reason: "..."}`, or remove exclude_requester',
            )
        return self

    @model_validator(mode="after")
    def _before_it_is_over(self) -> Self:
        late = [("remind", after) for after in self.remind if self._is_late(after)]
        late += [("escalate", step.after) for step in self.escalate if self._is_late(step.after)]
        if late and self.on_expiry != "keep":
            key, after = late[0]
            raise mistake(
                f"{format_delay(after)} is not before expires_in, {format_delay(self.expires_in)}",
                key=key,
                remedy="a question that is over reminds nobody: choose a shorter time",
            )
        return self

    def _is_late(self, after: float | BusinessTime) -> bool:
        """Whether a time is never before the expiry; of some that depends on when the question is asked."""
        whole = self.expires_in
        if not isinstance(whole, BusinessTime):
            return (after.seconds if isinstance(after, BusinessTime) else after) >= whole
        if not isinstance(after, BusinessTime):
            return False
        one_calendar = all(stage.calendar in (None, self.calendar) for stage in self.stages)
        same_unit = bool(after.days) == bool(whole.days)
        return one_calendar and same_unit and (after.days, after.seconds) >= (whole.days, whole.seconds)


class Budgets(Section):
    """Limits of one turn. A spent budget ends it with a `NoResult`."""

    steps: Count | None = None
    """Turns of the thought-action-observation loop."""

    tool_calls: Count | None = None
    seconds: Annotated[float, Field(gt=0, strict=True)] | None = None
    """Seconds of running time; waiting for people does not count."""

    same_call: Count = 3
    """How often the very same call may be made in a turn."""


class SourceRules(Section):
    """Which sources answers may rest on, beyond what is always enforced."""

    admit: Annotated[str, Field(min_length=1, max_length=2000)]
    """The condition on `source`, in CEL. It can only narrow."""


def _text_version(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise mistake(f"must be text, not the number {value!r}", remedy=f'quote it: "{value}"')
    return value


Version: TypeAlias = Annotated[str, BeforeValidator(_text_version), Field(min_length=1, max_length=64)]


class PolicyDocument(Section):
    """A whole policy file."""

    not_built: ClassVar[Mapping[str, str]] = {
        "overlays": "remove it; keep one policy file per jurisdiction",
    }

    policy: Name
    """The policy's name."""

    version: Version
    owner: Line
    """Who answers for it."""

    jurisdictions: tuple[Line, ...] = ()
    directory: Line | None = None
    """The people file, relative to this file."""

    constitution: Line | None = None
    """The constitution file, relative to this file."""

    default: Literal["reject", "escalate"]
    """What holds for tools without an entry."""

    review: Name | None = None
    """The route for `default: escalate`, for tools that escalate and name none, and for checks that ask for review."""

    tools: dict[ToolName, ToolEntry] = Field(default_factory=dict[str, ToolEntry])
    approvals: dict[Name, RouteEntry] = Field(default_factory=dict[str, RouteEntry])
    calendars: dict[Name, CalendarEntry] = Field(default_factory=dict[str, CalendarEntry])
    """When people work."""

    budgets: Budgets = Budgets()
    sources: SourceRules | None = None
    delegation: Annotated[bool, Field(strict=True)] = False
    """Whether the delegates of approvers who are away may answer, in stages that do not say it themselves."""

    def known_calendars(self) -> dict[str, Calendar]:
        """The calendars by their names."""
        return {name: entry.calendar(name) for name, entry in self.calendars.items()}


def as_mapping(document: PolicyDocument) -> JsonObject:
    """The document as JSON, as it would be written: without what is absent."""
    return document.model_dump(mode="json", exclude_none=True)
