"""The people who may be asked, from a YAML file."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from guardkit.core.people import Delegation, Person
from guardkit.errors import PolicyError
from guardkit.policy.loading import read_file
from guardkit.policy.sections import Section, mistake, parse_section

Identity = Annotated[str, Field(min_length=1, max_length=320)]


def _mail(text: str) -> str:
    if re.fullmatch(r"[^\s@]+@[^\s@]+", text) is None:
        raise mistake(f"{text!r} is not an e-mail address", remedy="write it like name@corp.example")
    return text


def _moment(value: object) -> float:
    remedy = "write it like 2026-12-01T08:00:00+01:00, with the offset from UTC"
    if not isinstance(value, str):
        raise mistake("a time is text", remedy=remedy)
    try:
        at = datetime.fromisoformat(value)
        seconds = at.timestamp()
    except (ValueError, OverflowError):
        raise mistake(f"{value!r} is not a date and time", remedy=remedy) from None
    if at.tzinfo is None:
        raise mistake(f"{value!r} has no offset from UTC", remedy=remedy)
    return seconds


Moment = Annotated[float, BeforeValidator(_moment)]


class DelegationEntry(Section):
    """Who may answer for a person who is away, and when."""

    to: Identity
    since: Annotated[Moment, Field(alias="from")]
    until: Moment

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.until <= self.since:
            raise mistake("is not after `from`", key="until", remedy="a delegation ends after it begins")
        return self


class PersonEntry(Section):
    """One person of a people file."""

    id: Identity
    email: Annotated[Identity, AfterValidator(_mail)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    tenant: Annotated[str, Field(min_length=1, max_length=128)] = "default"
    roles: tuple[Identity, ...] = ()
    groups: tuple[Identity, ...] = ()
    identities: tuple[Identity, ...] = ()
    active: Annotated[bool, Field(strict=True)] = True
    delegates: Annotated[tuple[DelegationEntry, ...], Field(max_length=100)] = ()

    def person(self) -> Person:
        """The person that the entry describes."""
        fields = {name: value for name, value in self if name != "delegates"}
        return Person(**fields, delegations=tuple(Delegation(**dict(one)) for one in self.delegates))


class PeopleDocument(Section):
    """A whole people file."""

    people: tuple[PersonEntry, ...]


class PeopleDirectory:
    """A `Directory` of a fixed number of people.

    Args:
        people: everybody; no two of them may have an identity in common.

    Raises:
        PolicyError: two people have the same identity, or somebody delegates to nobody, to themselves or to
            another tenant.
    """

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = tuple(people)
        self._exact: dict[str, set[int]] = {}
        self._mail: dict[str, set[int]] = {}
        for number, person in enumerate(self.people):
            for identity in (person.id, *person.identities):
                self._exact.setdefault(identity, set()).add(number)
            if person.email is not None:
                self._mail.setdefault(person.email.casefold(), set()).add(number)
        for identity, first, second in self._shared():
            raise SharedIdentityError(identity, first, second)
        for number, person in enumerate(self.people):
            for place, one in enumerate(person.delegations):
                self._check_delegate(number, place, person, self.find(one.to), one.to)

    @classmethod
    def from_file(cls, path: str | Path) -> "PeopleDirectory":
        """The people of a YAML file.

        Raises:
            PolicyError: with file, line and remedy.
        """
        located = read_file(Path(path), PolicyError)
        entries = parse_section(PeopleDocument, located, PolicyError).people
        try:
            return cls(entry.person() for entry in entries)
        except DelegateError as error:
            raise located.problem(PolicyError, error.where, error.message, remedy=error.remedy) from None
        except SharedIdentityError as error:
            where = ("people", error.second)
            raise located.problem(PolicyError, where, error.message, remedy=error.remedy) from None

    def find(self, identity: str) -> Person | None:
        """The one person with this identity, or `None` when nobody or more than one has it."""
        found = self._found(identity)
        return self.people[min(found)] if len(found) == 1 else None

    def people_of(self, tenant: str) -> Iterator[Person]:
        """Everybody of a tenant, in the file's order."""
        return (person for person in self.people if person.tenant == tenant)

    def identities(self) -> frozenset[str]:
        """Every identity that somebody has, e-mail addresses included."""
        return frozenset(self._exact) | {person.email for person in self.people if person.email is not None}

    @staticmethod
    def _check_delegate(number: int, place: int, person: Person, delegate: Person | None, to: str) -> None:
        if delegate is None:
            raise DelegateError(number, place, f"nobody is known as {to!r}", "name somebody of this list")
        if delegate.id == person.id:
            raise DelegateError(number, place, f"{to!r} is the person themselves", "name somebody else")
        if delegate.tenant != person.tenant:
            raise DelegateError(number, place, f"{to!r} is of another tenant", "name somebody of the same")

    def _found(self, identity: str) -> set[int]:
        return self._exact.get(identity, set()) | self._mail.get(identity.casefold(), set())

    def _shared(self) -> Iterator[tuple[str, int, int]]:
        for number, person in enumerate(self.people):
            for identity in (person.id, person.email, *person.identities):
                if identity is not None and (others := self._found(identity) - {number}):
                    yield identity, min(number, *others), max(number, *others)


class SharedIdentityError(PolicyError):
    """Two people of a directory have the same identity."""

    def __init__(self, identity: str, first: int, second: int) -> None:
        super().__init__(
            f"identity {identity!r} belongs to two people, numbers {first + 1} and {second + 1} of the list",
            remedy="a person is listed once, with all identities",
        )
        self.first = first
        self.second = second


class DelegateError(PolicyError):
    """Somebody who cannot be a delegate."""

    def __init__(self, number: int, place: int, message: str, remedy: str) -> None:
        super().__init__(f"delegate {place + 1} of number {number + 1} of the list: {message}", remedy=remedy)
        self.where = ("people", number, "delegates", place, "to")
