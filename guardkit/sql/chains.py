"""Values of channels as rows: reading them with what they rest on, and seeing that it is still there.

A put that relies on rows locks them, so nobody deletes them before it has committed; who deletes looks afterwards
whether something was put meanwhile.
"""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text

from guardkit.errors import MissingDataError
from guardkit.sql import namespaces, state_places
from guardkit.sql.dialects import family
from guardkit.sql.hot import Hot
from guardkit.sql.packing import Link
from guardkit.sql.sealing import Seal

Pair = tuple[str, str]
"""A channel and a version of it."""

_ROWS = "b.tenant = :tenant AND b.thread_id = :thread_id AND b.ns_hash = :ns_hash"

_EACH: Mapping[str, str] = {
    "sqlite": "CROSS JOIN {blobs} b ON {found}",
    "postgresql": "CROSS JOIN LATERAL (SELECT * FROM {blobs} b WHERE {found} LIMIT 1) b",
    "mysql": "STRAIGHT_JOIN {blobs} b ON {found}",
}
"""What makes a database look each value up by its whole key. Left to itself one that knows nothing of a table yet, as PostgreSQL of
a new one, reads all values of a thread."""

_REFS: Mapping[str, str] = {
    "sqlite": "json_each({refs}) r",
    # The condition always holds. PostgreSQL takes such an array for 100 rows, a condition on them for a few; what seems to be
    # many is worth compiling (`jit_above_cost`), which takes longer than the statement.
    "postgresql": """LATERAL (SELECT value FROM jsonb_array_elements(CAST({refs} AS jsonb))
        WHERE jsonb_typeof(value) = 'array') r""",
}
_NAMED: Mapping[str, tuple[str, str]] = {
    "sqlite": ("json_extract(r.value, '$[0]')", "json_extract(r.value, '$[1]')"),
    "postgresql": ("r.value ->> 0", "r.value ->> 1"),
}


def each(kind: str, blobs: str, channel: str, version: str) -> str:
    """What joins the row of a value, as `b`, to each row before it.

    Args:
        kind: the family.
        blobs: the table.
        channel: an expression for the value's channel.
        version: likewise.
    """
    found = f"{_ROWS} AND b.channel = {channel} AND b.version = {version}"
    return _EACH[kind].format(blobs=blobs, found=found)


def each_named(kind: str, blobs: str, refs: str) -> str:
    """As `each`, for those that are named by an expression for what `refs` made; not on MariaDB."""
    return f"{_REFS[kind].format(refs=refs)} {each(kind, blobs, *_NAMED[kind])}"


def _wanted(kind: str, blobs: str) -> str:
    """`FROM`: the rows of values that are named."""
    if kind == "mysql":
        return f"{blobs} b WHERE {_ROWS} AND (b.channel, b.version) IN :pairs"
    return each_named(kind, blobs, ":refs")


_LOCKS = {"sqlite": "", "postgresql": "FOR KEY SHARE OF b", "mysql": "LOCK IN SHARE MODE"}


def _statement(kind: str, sql: str) -> TextClause:
    found = text(sql)
    return found.bindparams(bindparam("pairs", expanding=True)) if kind == "mysql" else found


@lru_cache(maxsize=16)
def _chains(kind: str, prefix: str) -> TextClause:
    blobs = f"{prefix}gk_blobs"
    return _statement(
        kind,
        f"""
        WITH RECURSIVE chain (channel, version, base) AS (
            SELECT b.channel, b.version, b.base FROM {_wanted(kind, blobs)}
            UNION
            SELECT b.channel, b.version, b.base FROM chain c {each(kind, blobs, "c.channel", "c.base")}
        )
        SELECT b.channel, b.version, b.base, b.type, b.value
            FROM chain c {each(kind, blobs, "c.channel", "c.version")}
        """,  # noqa: S608  # made of constants, and of a schema's name that was checked
    )


@lru_cache(maxsize=16)
def _sizes(kind: str, prefix: str) -> TextClause:
    wanted = _wanted(kind, f"{prefix}gk_blobs")
    return _statement(
        kind,
        f"SELECT b.channel, b.version, b.base, length(b.value) AS size FROM {wanted} {_LOCKS[kind]}",  # noqa: S608
    )


@lru_cache(maxsize=16)
def _size(kind: str, prefix: str) -> Hot:
    """Of one value, which is what most steps rest on."""
    return Hot(
        text(
            f"SELECT b.channel, b.version, b.base, length(b.value) AS size FROM {prefix}gk_blobs b "  # noqa: S608
            f"WHERE {_ROWS} AND b.channel = :channel AND b.version = :version {_LOCKS[kind]}"
        )
    )


def refs(pairs: Collection[Pair]) -> str:
    """Channels and versions as they are kept."""
    return json.dumps(sorted(pairs), separators=(",", ":"))


def pairs(refs: str) -> list[Pair]:
    """Channels and versions from what `refs` made."""
    return [(channel, version) for channel, version in json.loads(refs)]


def _keys(place: Mapping[str, str]) -> dict[str, Any]:
    return {name: place[name] for name in ("tenant", "thread_id", "ns_hash")}


def _bound(kind: str, place: Mapping[str, str], pairs: Collection[Pair]) -> dict[str, Any]:
    return _keys(place) | ({"pairs": sorted(pairs)} if kind == "mysql" else {"refs": refs(pairs)})


def links(
    connection: Connection, seal: Seal, place: Mapping[str, str], pairs: Collection[Pair]
) -> dict[Pair, Link]:
    """Stored values, and all that they rest on.

    Args:
        connection: a transaction.
        seal: of the saver.
        place: tenant, thread and hash of the namespace.
        pairs: which values.
    """
    if not pairs:
        return {}
    kind = family(connection)
    found = connection.execute(_chains(kind, namespaces.prefix(connection)), _bound(kind, place, pairs))
    return {
        (row.channel, row.version): seal.link(
            state_places.blob(place, row.channel, row.version, row.base), row
        )
        for row in found
    }


def path(known: Mapping[Pair, Link], channel: str, version: str) -> tuple[Link, ...]:
    """What a value is rebuilt from, the oldest first.

    Raises:
        MissingDataError: a part of it is gone.
    """
    done: list[Link] = []
    wanted: str | None = version
    while wanted is not None:
        link = known.get((channel, wanted))
        if link is None:
            raise MissingDataError(
                f"channel {channel!r} is gone in version {wanted!r}"
                + ("" if wanted == version else f", on which {version!r} rests"),
                remedy="restore the database from a backup",
            )
        done.append(link)
        wanted = link.base
        if len(done) > len(known):
            raise MissingDataError(
                f"channel {channel!r} rests on itself in version {wanted!r}",
                remedy="restore the database from a backup",
            )
    return tuple(reversed(done))


def standing(
    connection: Connection, place: Mapping[str, str], wanted: Mapping[Pair, Link | None]
) -> set[Pair]:
    """Which stored values are there, and as they are thought to be. They are until the transaction ends.

    Args:
        connection: a transaction that writes.
        place: tenant, thread and hash of the namespace.
        wanted: by channel and version: how the value is thought to be stored, `None` where that does not matter.
    """
    if not wanted:
        return set()
    kind = family(connection)
    there: set[Pair] = set()
    if len(wanted) == 1:
        ((channel, version),) = wanted
        one = _size(kind, namespaces.prefix(connection)).first(
            connection, {**_keys(place), "channel": channel, "version": version}
        )
        found = [] if one is None else [one]
    else:
        chosen = _sizes(kind, namespaces.prefix(connection))
        found = connection.execute(chosen, _bound(kind, place, list(wanted)))
    for channel, version, base, size in found:
        thought = wanted[channel, version]
        if thought is None or (thought.stored, thought.base) == (size, base):
            there.add((channel, version))
    return there
