"""Who clicked: the human being behind an account of Entra.

Teams vouches for `from.aadObjectId` of the requests that it signs. The directory finds the person by `entra:<object
id>`; only when it has no such identity, the person's address is asked of Teams.
"""

from collections.abc import Callable
from dataclasses import dataclass

from guardkit.channels.teams.activity import Activity
from guardkit.channels.teams.connector import Connector, Place
from guardkit.channels.teams.contacts import ENTRA
from guardkit.core.people import Directory, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Somebody who has acted in Teams."""

    identity: str
    """What the desk is told."""

    person: Person | None
    """The directory's record, if it has exactly one."""

    email: str | None = None
    """The address by which the directory knows the person, where it has no object id."""


class Identities:
    """Finds people of the directory by what Teams says about them.

    Args:
        directory: who people are.
        connector: asks Teams for somebody's address.
        allowed: whether an Entra tenant's people may answer.
    """

    def __init__(self, directory: Directory, connector: Connector, allowed: Callable[[str], bool]) -> None:
        self._directory = directory
        self._connector = connector
        self._allowed = allowed

    def find(self, activity: Activity) -> Known:
        """Who sent an activity that is authentic and has an object id.

        Args:
            activity: as it came in.

        Raises:
            ChannelError: Teams cannot be asked now.
        """
        identity = f"{ENTRA}{activity.object_id}"
        person = self._directory.find(identity)
        if person is not None:
            return Known(identity=identity, person=person)
        found = self._by_address(activity)
        return found or Known(identity=identity, person=None)

    def _by_address(self, activity: Activity) -> Known | None:
        place = Place(service_url=activity.service_url, conversation=activity.conversation)
        member = self._connector.member(place, activity.sender)
        ours = member.tenant_id is not None and self._allowed(member.tenant_id)
        if not ours or member.object_id != activity.object_id:
            return None  # a guest of another company can be called whatever that company likes
        for address in (member.email, member.principal_name):
            person = None if address is None else self._directory.find(address)
            if address is not None and person is not None and not _is_pinned(person):
                return Known(identity=address, person=person, email=address)
        return None


def _is_pinned(person: Person) -> bool:
    """Whether the directory knows this person's account, which then is another one than the sender's."""
    return any(identity.startswith(ENTRA) for identity in person.identities)
