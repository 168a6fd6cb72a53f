"""People who may be asked, and how well a channel knows them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol, runtime_checkable

from guardkit.core.values import Value


class Assurance(StrEnum):
    """How surely a decision comes from the person it names, weakest first."""

    LOCAL_OPERATOR = "local_operator"
    """Somebody at the machine itself."""
    API_TOKEN = "api_token"  # noqa: S105  # the name of a level
    """Somebody, or some program, that holds a token of the HTTP API which an operator has made for the person."""
    EMAIL_LINK = "email_link"
    """Somebody who can read the person's mail."""
    CHAT = "chat"
    """Somebody signed in to the company's chat."""
    OIDC = "oidc"
    """Somebody signed in at the company's identity provider."""

    def reaches(self, minimum: "Assurance") -> bool:
        """Whether this level is at least `minimum`."""
        order = list(Assurance)
        return order.index(self) >= order.index(minimum)


class Delegation(Value):
    """Somebody who may answer for a person who is away."""

    to: str
    """An identity of the delegate."""

    since: float
    """Seconds since the epoch."""

    until: float
    """Seconds since the epoch; from then on it is over."""

    def in_force(self, at: float) -> bool:
        """Whether it holds at a time, in seconds since the epoch."""
        return self.since <= at < self.until


class Person(Value):
    """One human being, whatever identities the channels know them by."""

    id: str
    email: str | None = None
    name: str | None = None
    tenant: str = "default"
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    """Further identities of the same human being, e.g. `slack:T1:U2`, `entra:<object id>`."""

    active: bool = True
    delegations: tuple[Delegation, ...] = ()
    """Who may answer for this person, and when, where the policy allows it."""

    def delegates_to(self, other: "Person", at: float) -> bool:
        """Whether another person may answer for this one. It is never handed on: a delegate's delegate may not.

        Args:
            other: the directory's record of the delegate.
            at: seconds since the epoch, by the database's clock.
        """
        return self.id != other.id and any(
            one.in_force(at) and other.answers_to(one.to) for one in self.delegations
        )

    def answers_to(self, identity: str) -> bool:
        """Whether `identity` is one of this person's; e-mail addresses compare without case."""
        folded = identity.casefold()
        return (
            identity == self.id
            or identity in self.identities
            or (self.email is not None and folded == self.email.casefold())
        )


def count_as_one(one: Person, other: Person, at: float) -> bool:
    """Whether two people have one voice between them: they are the same, or one is the other's delegate now.

    Args:
        one: the directory's record.
        other: the directory's record.
        at: seconds since the epoch, by the database's clock.
    """
    return one.id == other.id or one.delegates_to(other, at) or other.delegates_to(one, at)


class Directory(Protocol):
    """Finds the human being behind an identity."""

    def find(self, identity: str) -> Person | None:
        """The one person with this identity, or `None` when nobody or more than one has it."""
        ...


@runtime_checkable
class Roster(Directory, Protocol):
    """A directory that can list people: needed for delegation, and by channels that write to members of a group."""

    def people_of(self, tenant: str) -> Iterable[Person]:
        """Everybody of a tenant, active or not."""
        ...
