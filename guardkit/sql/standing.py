"""Where a database stands: which tables it has, and which this code needs."""

from typing import Literal, TypeAlias

from guardkit.core.values import Value

Tables: TypeAlias = Literal["current", "missing", "older", "newer"]


class Standing(Value):
    """Where a database stands. Looking changes nothing in it."""

    location: str
    """Without a password."""

    revision: str | None
    newest: str
    """The revision that this guardkit needs."""

    tables: Tables
    made_on_use: bool
    """Whether the first process that opens it brings it up to date, as with an SQLite file."""

    @property
    def fits(self) -> bool:
        """Whether guardkit can work with it."""
        return self.tables == "current" or (self.made_on_use and self.tables != "newer")

    def __str__(self) -> str:
        match self.tables:
            case "current":
                return f"{self.location} is at revision {self.revision}, the newest"
            case "newer":
                return f"{self.location} is at revision {self.revision}, newer than {self.newest}: upgrade guardkit"
            case "missing" | "older":
                is_at = f"is at revision {self.revision}" if self.revision else "has no tables of guardkit's"
                then = "its first use does that" if self.made_on_use else "run `guardkit db upgrade`"
                return f"{self.location} {is_at}, {self.newest} is the newest: {then}"
