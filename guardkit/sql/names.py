"""What tenants, threads and the like may be called, so that every database tells any two of them apart."""

from guardkit.errors import InputError
from guardkit.sql.columns import CHECKPOINT_LENGTH, NAME_LENGTH, TENANT_LENGTH

EVERYBODY = "*"
"""The chain of what concerns all tenants. No tenant may be called that."""


def checked(field: str, value: object, limit: int) -> str:
    """A name that can be a key.

    Args:
        field: what to call it in the error.
        value: the name.
        limit: characters it may have.

    Raises:
        InputError: empty, too long, not text, or not the same on every database.
    """
    if not isinstance(value, str):
        raise InputError(f"{field} is {type(value).__name__}, not text")
    if not value:
        raise InputError(f"{field} is empty")
    if len(value) > limit:
        raise InputError(f"{field} has {len(value)} characters, {limit} are allowed: {value[:40]!r}…")
    if value != value.strip():
        raise InputError(
            f"{field} {value!r} begins or ends with white space", remedy="some databases would not see it"
        )
    if "\x00" in value or not (value.isascii() or _is_whole(value)):
        raise InputError(f"{field} {value!r} holds a character that databases refuse")
    return value


def _is_whole(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)


def tenant(value: object) -> str:
    """A tenant's name. Raises `InputError`."""
    if value == EVERYBODY:
        raise InputError(f"tenant {value!r} is reserved", remedy="give the tenant another name")
    return checked("tenant", value, TENANT_LENGTH)


def owner(value: object) -> str:
    """Whose something is: a tenant's name, or `*` for what concerns all tenants. Raises `InputError`."""
    return EVERYBODY if value == EVERYBODY else tenant(value)


def thread(value: object) -> str:
    """A thread's id. Raises `InputError`."""
    return checked("thread_id", value, NAME_LENGTH)


def checkpoint(field: str, value: object) -> str:
    """The id of a checkpoint or a task. Raises `InputError`."""
    return checked(field, value, CHECKPOINT_LENGTH)


def plain(text: str, limit: int = 2000) -> str:
    """Text for people to read, without what databases refuse, cut to `limit` characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:limit]
