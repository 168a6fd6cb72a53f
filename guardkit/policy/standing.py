"""Standing approvals, as a policy file says it: what people may add to a yes, and where it fits the tools."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from guardkit.core.amounts import StandingAmount, amount_of, is_amount
from guardkit.core.durations import format_duration
from guardkit.core.standing import StandingOffer, StandingScope
from guardkit.errors import PolicyError
from guardkit.policy.durations import Duration
from guardkit.policy.json_schema import shape_of
from guardkit.policy.loading import Located, Where
from guardkit.policy.sections import Section, did_you_mean, mistake
from guardkit.policy.shapes import Field as ShapeField, IntShape, NumberShape, RecordShape, named
from guardkit.policy.tools import ToolSchema

LONGEST = 30 * 86400.0
MOST = 1000

T = TypeVar("T", bound=str)

Argument: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]


def _limit(value: Any) -> Any:
    found: str | None = None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        limit = StandingAmount(argument="limit", at_most="0")
        found = is_amount(value) if isinstance(value, str) else amount_of({"limit": value}, limit)
    if found is None or Decimal(found) == 0:
        raise mistake("is no number above zero", remedy='write it like 5000 or "1250.50"')
    return found


def _bounded(seconds: float) -> float:
    if seconds > LONGEST:
        raise mistake(
            f"{format_duration(seconds)} is longer than {format_duration(LONGEST)}",
            remedy="what stands for longer is a rule: change the policy, or choose a shorter time",
        )
    return seconds


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise mistake(f"{twice[0]!r} stands twice", remedy="name it once")
    return values


class AmountEntry(Section):
    """A limit on the sum of one argument over all uses."""

    argument: Argument
    """The tool's argument: a number, or a decimal as text."""

    at_most: Annotated[str, BeforeValidator(_limit)]
    """The limit; a number above zero, in Python also as text."""


class StandingEntry(Section):
    """What people may add to a yes."""

    scopes: Annotated[
        tuple[StandingScope, ...],
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        Field(min_length=1, max_length=2),
        AfterValidator(_distinct),
    ]
    """Of which calls: of the thread that was asked in, or of all threads of whom it acts for. In a file also one bare word."""

    for_at_most: Annotated[Duration, AfterValidator(_bounded)]
    """Seconds from the yes, at most 30 days."""

    uses: Annotated[int, Field(ge=1, le=MOST, strict=True)]
    """How many actions, the one that is asked about not counted."""

    amount: AmountEntry | None = None
    same: Annotated[tuple[Argument, ...], Field(max_length=50), AfterValidator(_distinct)] = ()
    """Arguments that must be those of the action that is asked about."""

    @model_validator(mode="after")
    def _sums_what_varies(self) -> Self:
        if self.amount is not None and self.amount.argument in self.same:
            raise mistake(
                f"{self.amount.argument!r} must be the same, and is summed",
                key="same",
                remedy="limit the sum, or keep the argument the same; `uses` limits how often",
            )
        return self


def offer_of(entry: StandingEntry) -> StandingOffer:
    """What a policy file permits."""
    limit = entry.amount
    return StandingOffer(
        scopes=entry.scopes,
        seconds=entry.for_at_most,
        uses=entry.uses,
        amount=None if limit is None else StandingAmount(argument=limit.argument, at_most=limit.at_most),
        same=tuple(sorted(entry.same)),
    )


def least(found: Sequence[StandingOffer | None]) -> StandingOffer | None:
    """What holds where several routes must agree: only what all of them permit. `None` if that leaves nothing."""
    given = [one for one in found if one is not None]
    if not given or len(given) < len(found):
        return None
    scopes: tuple[StandingScope, ...] = tuple(
        scope for scope in given[0].scopes if all(scope in one.scopes for one in given)
    )
    limits = [one.amount for one in given if one.amount is not None]
    if not scopes or len({limit.argument for limit in limits}) > 1:
        return None
    return StandingOffer(
        scopes=scopes,
        seconds=min(one.seconds for one in given),
        uses=min(one.uses for one in given),
        amount=min(limits, key=lambda limit: Decimal(limit.at_most)) if limits else None,
        same=tuple(sorted({name for one in given for name in one.same})),
    )


def check_standing(
    entry: StandingEntry, where: Where, located: Located, tools: Mapping[str, ToolSchema]
) -> None:
    """Refuse arguments that a tool on the route does not have, and sums of what is no number.

    Args:
        entry: what the file says.
        where: its place in the file.
        located: the file.
        tools: the tools that are put to people on this route, by name.

    Raises:
        PolicyError: with file, line and remedy.
    """
    for tool, schema in sorted(tools.items()):
        shape = shape_of(schema.json_schema)
        fields = dict(shape.fields) if isinstance(shape, RecordShape) else dict[str, ShapeField]()
        wanted: list[tuple[Where, str]] = [
            ((*where, "same", number), name) for number, name in enumerate(entry.same)
        ]
        if entry.amount is not None:
            wanted.append(((*where, "amount", "argument"), entry.amount.argument))
        for place, name in wanted:
            if name not in fields:
                raise located.problem(
                    PolicyError,
                    place,
                    f"the tool {tool!r}, which is asked about on this route, has no argument {name!r}",
                    remedy=f"{did_you_mean(name, fields)}; or give the tool a route of its own",
                )
        if entry.amount is None:
            continue
        found = fields[entry.amount.argument].shape
        if not isinstance(found, IntShape | NumberShape) or found.nullable:
            what = named(found) + (" that may be missing" if found.nullable else "")
            raise located.problem(
                PolicyError,
                (*where, "amount", "argument"),
                f"the argument {entry.amount.argument!r} of the tool {tool!r} is {what}, and only numbers are summed",
                remedy="name an argument that is always a number or a decimal, or give the tool a route of its own",
            )
