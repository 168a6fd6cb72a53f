"""Breaking the glass, as a policy file says it: named people, a short time, and a review by somebody else."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from guardkit.core.durations import format_duration
from guardkit.core.glass import LONGEST, BreakGlass
from guardkit.core.values import JsonObject
from guardkit.errors import PolicyError
from guardkit.policy.durations import Duration
from guardkit.policy.loading import Located, Where
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.sections import Section, did_you_mean, mistake

_LONGEST_REVIEW = 30 * 86400.0
_ONE_BY_ONE = "name people one by one"


def _named(value: Any) -> Any:
    if isinstance(value, Mapping):
        raise mistake("is a group, and only named people may break the glass", remedy=_ONE_BY_ONE)
    if isinstance(value, str) and any(sign in value for sign in "*?"):
        raise mistake(f"{value!r} is a pattern", remedy=_ONE_BY_ONE)
    return value


def _listed(value: Any) -> Any:
    return _named(value) if isinstance(value, Mapping) else value


def _somebody(people: tuple[str, ...]) -> tuple[str, ...]:
    if not people:
        raise mistake("names nobody", remedy="name people, or remove break_glass")
    return people


def _short(seconds: float) -> float:
    if seconds > LONGEST:
        raise mistake(
            f"{format_duration(seconds)} is longer than {format_duration(LONGEST)}",
            remedy="an emergency is over soon: choose a shorter time",
        )
    return seconds


def _soon(seconds: float) -> float:
    if seconds > _LONGEST_REVIEW:
        raise mistake(
            f"{format_duration(seconds)} is longer than {format_duration(_LONGEST_REVIEW)}",
            remedy="a review that comes too late changes nothing: choose a shorter time",
        )
    return seconds


Identity: TypeAlias = Annotated[str, BeforeValidator(_named), Field(min_length=1, max_length=500)]
People: TypeAlias = Annotated[
    tuple[Identity, ...], BeforeValidator(_listed), Field(max_length=20), AfterValidator(_somebody)
]
Group: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]


_LATER = ("channel", "remind")
_SHORTEST_REMINDER = 300.0


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _not_hasty(seconds: float) -> float:
    if seconds < _SHORTEST_REMINDER:
        raise mistake(
            f"{format_duration(seconds)} is shorter than {format_duration(_SHORTEST_REMINDER)}",
            remedy="people have to find the time: choose a longer one",
        )
    return seconds


Channel: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]


class ReviewEntry(Section):
    """Who looks at a broken glass afterwards, and until when."""

    people: Annotated[tuple[Identity, ...], BeforeValidator(_listed), Field(max_length=100)] = ()
    groups: Annotated[tuple[Group, ...], Field(max_length=100)] = ()
    within: Annotated[Duration, AfterValidator(_soon)]
    """Seconds after which a review that nobody has closed is overdue."""

    channel: Annotated[tuple[Channel, ...], BeforeValidator(_several), Field(max_length=20)] = ()
    """The approval channels that reach the reviewers; one name, or several."""

    remind: Annotated[Duration, AfterValidator(_not_hasty)] | None = None
    """Seconds between two messages to them until it is closed; by default `within`."""

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> JsonObject:
        """Without what it does not say, so that the hash of a policy that says nothing of it stays what it was."""
        fields = cast("JsonObject", dump(self))
        return {name: value for name, value in fields.items() if name not in _LATER or value}

    @model_validator(mode="after")
    def _by_somebody(self) -> Self:
        if not self.people and not self.groups:
            raise mistake("names nobody who reviews", remedy="name people or groups")
        return self


class BreakGlassEntry(Section):
    """Who may settle a question alone in an emergency."""

    people: People
    """Persons, by an identity of theirs; no groups, no patterns."""

    valid_for: Annotated[Duration, AfterValidator(_short)]
    """Seconds from the decision to the execution, at most an hour."""

    reason_length: Annotated[int, Field(ge=10, le=1000, strict=True)] = 20
    """Characters that the reason has at least."""

    review_by: ReviewEntry

    @model_validator(mode="before")
    @classmethod
    def _is_reviewed(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and cast("Mapping[str, Any]", data).get("review_by") is None:
            raise mistake("has no review_by", remedy="say who reviews it afterwards, and within which time")
        return cast("Any", data)

    @model_validator(mode="after")
    def _others_review(self) -> Self:
        reviewers = {identity.casefold() for identity in self.review_by.people}
        if not self.review_by.groups and len(reviewers) == 1:
            _refuse_only_reviewer([name for name in self.people if name.casefold() in reviewers])
        return self


def _refuse_only_reviewer(people: Sequence[str]) -> None:
    for name in people:
        raise mistake(
            f"{name!r} may break the glass and is the only one who reviews it",
            key="review_by",
            remedy="name somebody else who reviews it",
        )


def glass_of(entry: BreakGlassEntry) -> BreakGlass:
    """What a policy file says about emergencies."""
    return BreakGlass(
        people=entry.people,
        valid_for=entry.valid_for,
        reason_length=entry.reason_length,
        reviewers=entry.review_by.people,
        review_groups=entry.review_by.groups,
        review_within=entry.review_by.within,
        review_channels=tuple(dict.fromkeys(entry.review_by.channel)),
        remind_every=entry.review_by.remind,
    )


def narrowest(found: Sequence[BreakGlass | None]) -> BreakGlass | None:
    """What holds where several routes must agree: only what all of them allow. `None` if that leaves nobody."""
    given = [one for one in found if one is not None]
    if not given or len(given) < len(found):
        return None
    people = _in_all([one.people for one in given])
    reviewers = _in_all([one.reviewers for one in given])
    groups = _in_all([one.review_groups for one in given])
    if not people or not (reviewers or groups):
        return None
    return BreakGlass(
        people=people,
        valid_for=min(one.valid_for for one in given),
        reason_length=max(one.reason_length for one in given),
        reviewers=reviewers,
        review_groups=groups,
        review_within=min(one.review_within for one in given),
        review_channels=tuple(dict.fromkeys(name for one in given for name in one.review_channels)),
        remind_every=min((one.remind_every for one in given if one.remind_every is not None), default=None),
    )


def _in_all(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(name for name in lists[0] if all(name in others for others in lists[1:]))


def check_glass(entry: BreakGlassEntry, where: Where, located: Located, directory: PeopleDirectory) -> None:
    """Refuse people whom the directory does not have, and a broken glass that nobody else could review.

    Raises:
        PolicyError: with file, line and remedy.
    """
    review = entry.review_by
    for place, listed in (
        ((*where, "people"), entry.people),
        ((*where, "review_by", "people"), review.people),
    ):
        for number, identity in enumerate(listed):
            if directory.find(identity) is None:
                raise located.problem(
                    PolicyError,
                    (*place, number),
                    f"the directory does not know {identity!r}",
                    remedy=did_you_mean(identity, directory.identities()),
                )
    groups = {group for person in directory.people for group in person.groups}
    for number, group in enumerate(review.groups):
        if group not in groups:
            raise located.problem(
                PolicyError,
                (*where, "review_by", "groups", number),
                f"nobody in the directory is in the group {group!r}",
                remedy=did_you_mean(group, groups),
            )
    glass = glass_of(entry)
    for number, identity in enumerate(entry.people):
        breaker = directory.find(identity)
        if breaker is None or not breaker.active:
            raise located.problem(
                PolicyError,
                (*where, "people", number),
                f"{identity!r} is not active",
                remedy="name somebody else",
            )
        if not any(
            person.active and person.id != breaker.id and glass.may_review(person)
            for person in directory.people_of(breaker.tenant)
        ):
            raise located.problem(
                PolicyError,
                (*where, "review_by"),
                f"nobody but {identity!r} could review what {identity!r} does",
                remedy="name somebody else who reviews it, active and of the same tenant",
            )
