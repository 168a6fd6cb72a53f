"""Constitutions: the written principles that every draft is held against."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from guardkit.core.digest import sha256
from guardkit.core.drafts import Criterion
from guardkit.errors import ConstitutionError
from guardkit.policy.document import Line, Name, Version
from guardkit.policy.loading import Located, read_file
from guardkit.policy.sections import Section, parse_section

Text = Annotated[str, Field(min_length=1, max_length=4000)]

ANYWHERE = "any"
"""The jurisdiction of a principle that holds everywhere."""


class PrincipleTest(Section):
    """Two drafts that show what a principle means."""

    violates: Text
    """A draft that breaks it."""

    complies: Text
    """A draft that keeps it."""


class Principle(Section):
    """One written rule for answers."""

    id: Name
    text: Text
    """The rule itself, as the critic is asked about it."""

    author: Line
    rationale: Text
    """Why it is there."""

    jurisdiction: Line
    """Where it holds, e.g. `EU`; `any` for everywhere."""

    test: PrincipleTest

    def criterion(self) -> Criterion:
        """The question that a critic must answer about every draft."""
        return Criterion(id=self.id, text=self.text)


class Constitution(Section):
    """A versioned set of principles."""

    not_built: ClassVar[Mapping[str, str]] = {
        "overlays": "remove it; keep one constitution file per jurisdiction",
    }

    constitution: Name
    """Its name."""

    version: Version
    owner: Line
    """Who answers for it."""

    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the canonical constitution."""
        return sha256("guardkit.constitution.v1", self.model_dump(mode="json"))

    def criteria(self) -> tuple[Criterion, ...]:
        """What a critic must answer, in the order of the principles."""
        return tuple(principle.criterion() for principle in self.principles)

    @classmethod
    def from_file(cls, path: str | Path) -> "Constitution":
        """The constitution in a YAML file.

        Raises:
            ConstitutionError: with file, line and remedy.
        """
        return cls._of(read_file(Path(path), ConstitutionError))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Constitution":
        """The constitution that a mapping holds, of the same form as the file.

        Raises:
            ConstitutionError: with field and remedy.
        """
        return cls._of(Located(data=dict(data)))

    @classmethod
    def _of(cls, located: Located) -> "Constitution":
        made = parse_section(cls, located, ConstitutionError)
        first: dict[str, int] = {}
        for number, principle in enumerate(made.principles):
            if principle.id in first:
                raise located.problem(
                    ConstitutionError,
                    ("principles", number, "id"),
                    f"principle {principle.id!r} is there twice, first as number {first[principle.id] + 1}",
                    remedy="give each its own id",
                )
            first[principle.id] = number
        return made
