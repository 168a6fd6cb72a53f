"""Whoever started or steered a turn, as the directory knows them."""

from dataclasses import dataclass

from guardkit.core.people import Person, count_as_one


@dataclass(frozen=True, slots=True)
class Askers:
    """The directory's records of whoever started or steered a turn, at a time.

    A directory may find a person by a name that the person's own record does not list, so the names alone do not say who
    they are.

    Args:
        people: their records; without those whom the directory does not know.
        at: seconds since the epoch, by the database's clock: a delegation holds for a time.
    """

    people: tuple[Person, ...] = ()
    at: float = 0.0

    def have(self, person: Person, *, delegable: bool) -> bool:
        """Whether somebody is one of them.

        Args:
            person: the directory's record.
            delegable: whether a delegate and whoever is away are one person here.
        """
        return any(
            one.id == person.id or (delegable and count_as_one(person, one, self.at)) for one in self.people
        )


NOT_LOOKED_UP = Askers()
"""Where the names in the question are all that is known."""
