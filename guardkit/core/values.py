"""The base of all public values, and the JSON type that state and interrupts are made of."""

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

Json: TypeAlias = JsonValue
"""A value that JSON can hold: `None`, `bool`, `int`, `float`, `str`, lists and string-keyed dicts of these."""

JsonObject: TypeAlias = dict[str, JsonValue]


class Value(BaseModel):
    """A frozen, keyword-only value. Unknown fields are refused, so a misspelt name never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")
