"""Whom the app has met: Teams lets a bot write only to people who have installed it.

Every Teams channel of one app shares what is kept here, because an app has one address for incoming requests. It is
kept for no tenant of guardkit: who somebody is there, the directory may learn later.
"""

from dataclasses import dataclass, replace
from typing import cast

from guardkit.channels.host import EVERYBODY
from guardkit.channels.teams.connector import Connector, Place
from guardkit.channels.teams.faults import text_of
from guardkit.core.people import Person
from guardkit.core.ports import ChannelRecords
from guardkit.core.runs import Contact
from guardkit.core.values import JsonObject

ENTRA = "entra:"
"""How identities of `Person.identities` begin that are object ids of Entra, in lower case."""

_EMAIL = "email:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How somebody is reached."""

    service_url: str
    user: str
    """`29:…`"""

    tenant: str
    """The person's Entra tenant."""

    conversation: str | None
    """The person's own conversation with the bot, where it is known."""

    def as_json(self) -> JsonObject:
        """What is stored."""
        return {
            "service_url": self.service_url,
            "user": self.user,
            "tenant": self.tenant,
            "conversation": self.conversation,
        }


class Contacts:
    """The people whom one app has met.

    Args:
        records: where they are kept.
        app_id: the app.
    """

    def __init__(self, records: ChannelRecords, app_id: str) -> None:
        self._records = records
        self._channel = f"teams:{app_id}"

    def of(self, person: Person) -> Reference | None:
        """How a person is reached, or `None` when they have not installed the app."""
        return next((found for key in _keys(person) if (found := self._find(key)) is not None), None)

    def meet(self, object_id: str, reference: Reference, email: str | None = None) -> None:
        """Remember somebody. What is known of their own conversation is kept when it is not seen this time.

        Args:
            object_id: the person's id in Entra.
            reference: how they are reached.
            email: the address by which the directory knows them, where it does not know the object id.
        """
        for key in (f"{ENTRA}{object_id}", *([_email(email)] if email else [])):
            before = self._find(key)
            conversation = reference.conversation or (before and before.conversation)
            kept = replace(reference, conversation=conversation)
            if kept != before:
                self._keep(key, kept)

    def opened(self, person: Person, reference: Reference, place: Place) -> None:
        """Remember the conversation that was opened to write to a person, where none was known."""
        for key in _keys(person) if reference.conversation is None else ():
            if self._find(key) == reference:
                self._keep(key, replace(reference, conversation=place.conversation))

    def lose(self, object_id: str, email: str | None = None) -> None:
        """Forget somebody who has removed the app.

        Args:
            object_id: the person's id in Entra.
            email: an address under which they may be kept.
        """
        for key in (f"{ENTRA}{object_id}", *([_email(email)] if email else [])):
            self._records.forget_contact(EVERYBODY, self._channel, key)

    def _keep(self, key: str, reference: Reference) -> None:
        self._records.keep_contact(
            Contact(tenant=EVERYBODY, channel=self._channel, key=key, reference=reference.as_json())
        )

    def _find(self, key: str) -> Reference | None:
        contact = self._records.contact(EVERYBODY, self._channel, key)
        if contact is None:
            return None
        kept = contact.reference
        texts = {name: text_of(kept, name) for name in ("service_url", "user", "tenant")}
        if None in texts.values():
            return None
        return Reference(**cast("dict[str, str]", texts), conversation=text_of(kept, "conversation"))


def place_of(reference: Reference, connector: Connector) -> Place:
    """The conversation to write to somebody in; opened if there is none yet.

    Args:
        reference: how they are reached.
        connector: opens it.

    Raises:
        ChannelError: it cannot be opened.
    """
    if reference.conversation is not None:
        return Place(service_url=reference.service_url, conversation=reference.conversation)
    return connector.converse(reference.service_url, reference.user, reference.tenant)


def _keys(person: Person) -> tuple[str, ...]:
    """By what a person may be kept: whoever has a known id in Entra is nobody else with the same address."""
    pinned = tuple(identity.lower() for identity in person.identities if identity.startswith(ENTRA))
    return pinned or (() if person.email is None else (_email(person.email),))


def _email(address: str) -> str:
    return f"{_EMAIL}{address.casefold()}"
