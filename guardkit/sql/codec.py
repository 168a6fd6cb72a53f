"""How values are kept in text columns.

Every text is ASCII JSON. What may change its shape over releases is wrapped as `{"v": 1, "value": …}`; the list below
says what each version holds.

    1   the models of guardkit.core as pydantic dumps them in JSON mode
"""

import json
from typing import TypeVar, cast

from pydantic import ValidationError

from guardkit.core.values import Json, Value
from guardkit.errors import CanonicalError, StorageError

VERSION = 1

V = TypeVar("V", bound=Value)


def dump_json(value: Json, *, path: str) -> str:
    """A JSON value as text.

    Raises:
        CanonicalError: it holds NaN or an infinity, or something that is not JSON.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise CanonicalError("this is not a JSON value", path=path) from error


def load_json(text: str) -> Json:
    """A JSON value from text that `dump_json` wrote.

    Raises:
        StorageError: the text was damaged.
    """
    try:
        return cast("Json", json.loads(text))
    except ValueError as error:
        raise StorageError(
            "a stored value is not JSON", remedy="restore the database from a backup"
        ) from error


def wrap(value: Json, *, path: str) -> str:
    """A JSON value as versioned text.

    Raises:
        CanonicalError: as for `dump_json`.
    """
    return dump_json({"v": VERSION, "value": value}, path=path)


def unwrap(text: str, *, what: str) -> Json:
    """A JSON value from versioned text.

    Args:
        text: as `wrap` wrote it.
        what: what to call the value in errors.

    Raises:
        StorageError: a newer guardkit wrote it, or it was damaged.
    """
    found = load_json(text)
    if not isinstance(found, dict) or found.get("v") != VERSION or "value" not in found:
        raise StorageError(
            f"a stored {what} is not of version {VERSION}, which this guardkit reads",
            remedy="upgrade guardkit",
        )
    return found["value"]


def dump(value: Value) -> str:
    """A model as versioned text."""
    return wrap(value.model_dump(mode="json"), path=type(value).__name__)


def load(kind: type[V], text: str) -> V:
    """A model from versioned text.

    Raises:
        StorageError: a newer guardkit wrote it, or it was damaged.
    """
    try:
        return kind.model_validate(unwrap(text, what=kind.__name__))
    except ValidationError as error:
        raise damaged(kind.__name__, error) from None


def damaged(what: str, error: ValidationError) -> StorageError:
    """The error of a stored model that does not fit; names the fields, never their values."""
    fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False))
    return StorageError(
        f"a stored {what} does not fit: {fields}", remedy="restore the database from a backup"
    )
