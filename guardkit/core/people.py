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

    def answers_to(self, identity: str) -> bool:
        """Whether `identity` is one of this person's; e-mail addresses compare without case."""
        folded = identity.casefold()
        return (
            identity == self.id
            or identity in self.identities
            or (self.email is not None and folded == self.email.casefold())
        )


class Directory(Protocol):
    """Finds the human being behind an identity."""

    def find(self, identity: str) -> Person | None:
        """The one person with this identity, or `None` when nobody or more than one has it."""
        ...


@runtime_checkable
class Roster(Directory, Protocol):
    """A directory that can list people: needed by channels that write to each member of a group."""

    def people_of(self, tenant: str) -> Iterable[Person]:
        """Everybody of a tenant, active or not."""
        ...
