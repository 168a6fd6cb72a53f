"""How commands on approvals end: their exit statuses, and what is printed when a decision does not count."""

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from enum import IntEnum

import typer

from guardkit.cli.base import complain
from guardkit.cli.finding import AmbiguousApprovalError
from guardkit.core.values import Value
from guardkit.errors import DecisionRefusedError, GuardkitError, UnknownApprovalError


class Status(IntEnum):
    """Exit statuses."""

    DONE = 0
    DECLINED = 1
    """Whoever was asked whether to go on said no."""
    UNUSABLE = 2
    """What was typed cannot be used, or guardkit itself cannot work: configuration, keys, database."""
    NOT_FOUND = 3
    """There is no such approval for this person, or several begin like this."""
    OVER = 4
    """It is decided, its time is over, or this person's approval counts already."""
    NOT_ALLOWED = 5
    """This person may not decide on it now, at the command line, or not so."""
    CHANGED = 6
    """It has changed since it was shown: look at it again."""


_STATUSES: Mapping[str, Status] = {
    "already_settled": Status.OVER,
    "already_decided": Status.OVER,
    "expired": Status.OVER,
    "not_an_approver": Status.NOT_ALLOWED,
    "requester": Status.NOT_ALLOWED,
    "not_the_requester": Status.NOT_ALLOWED,
    "inactive": Status.NOT_ALLOWED,
    "assurance_too_low": Status.NOT_ALLOWED,
    "not_allowed": Status.NOT_ALLOWED,
    "digest_mismatch": Status.CHANGED,
    "version_mismatch": Status.CHANGED,
    "shown_mismatch": Status.CHANGED,
    "not_whole": Status.NOT_ALLOWED,
    "conflict": Status.CHANGED,
}
"""By reason of a `DecisionRefusedError`; the others are about what was typed."""


class Refused(Value):
    """Why nothing was decided, as `--json` prints it."""

    error: str
    """Code of the error, e.g. `decision_refused`."""

    reason: str | None
    """With `decision_refused`: why, e.g. `already_settled`."""

    message: str
    remedy: str | None
    candidates: tuple[str, ...] = ()
    """With `ambiguous_approval`: the ids that are meant, at most ten."""


@contextmanager
def ending(*, as_json: bool) -> Generator[None]:
    """Turn an error into its line, its exit status and, for machines, an object on standard output."""
    try:
        yield
    except GuardkitError as error:
        if as_json:
            write(refused(error))
        complain(error)
        raise typer.Exit(status_of(error)) from error


def status_of(error: GuardkitError) -> Status:
    """The exit status of an error."""
    match error:
        case DecisionRefusedError():
            return _STATUSES.get(error.reason, Status.UNUSABLE)
        case UnknownApprovalError():
            return Status.NOT_FOUND
        case _:
            return Status.UNUSABLE


def refused(error: GuardkitError) -> Refused:
    """Why nothing was decided, for machines."""
    return Refused(
        error=error.code,
        reason=error.reason if isinstance(error, DecisionRefusedError) else None,
        message=error.message,
        remedy=error.remedy,
        candidates=error.candidates if isinstance(error, AmbiguousApprovalError) else (),
    )


def dumped(value: Value) -> str:
    """A value as JSON in ASCII: whatever is in it, a terminal shows it and does nothing else."""
    return json.dumps(value.model_dump(mode="json"), allow_nan=False)


def write(value: Value) -> None:
    """Print a value as a line of JSON."""
    sys.stdout.write(dumped(value) + "\n")
