"""The leaves of a JSON value, each with the path that names it."""

import re
from collections.abc import Iterator

from guardkit.core.values import Json, JsonObject

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def leaves(args: JsonObject, root: str = "") -> Iterator[tuple[str, Json]]:
    """Every value that is neither a list nor a mapping, in document order.

    Paths look like `lines[2].iban`. A key that is no plain name may be somebody's text, so it is named by its
    position, `[key 0]`: paths go into the audit log and before approvers.

    Args:
        args: the value.
        root: what every path begins with.
    """
    pending: list[tuple[str, Json]] = [(root, args)]
    while pending:
        path, value = pending.pop()
        match value:
            case dict():
                inner = [(_below(path, key, i), item) for i, (key, item) in enumerate(value.items())]
                pending.extend(reversed(inner))
            case list():
                pending.extend([(f"{path}[{i}]", item) for i, item in enumerate(value)][::-1])
            case _:
                yield path, value


def keys(args: JsonObject) -> Iterator[tuple[str, str]]:
    """Every key of every mapping, with the path of what it holds."""
    pending: list[tuple[str, Json]] = [("", args)]
    while pending:
        path, value = pending.pop()
        match value:
            case dict():
                for i, (key, item) in enumerate(value.items()):
                    below = _below(path, key, i)
                    yield below, key
                    pending.append((below, item))
            case list():
                pending.extend((f"{path}[{i}]", item) for i, item in enumerate(value))
            case _:
                pass


def covers(wanted: str, path: str) -> bool:
    """Whether a path is the wanted one or lies below it. Without indices, `lines.iban` covers `lines[2].iban`."""
    for candidate in (path, re.sub(r"\[\d+\]", "", path)):
        if candidate == wanted or candidate.startswith((f"{wanted}.", f"{wanted}[")):
            return True
    return False


def _below(path: str, key: str, position: int) -> str:
    name = key if _NAME.fullmatch(key) else f"[key {position}]"
    if not path or name.startswith("["):
        return f"{path}{name}"
    return f"{path}.{name}"
