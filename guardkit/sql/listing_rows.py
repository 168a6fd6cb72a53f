"""The places of approvals in people's lists, as rows.

A page is put together of what stands first under each key: as many reads of an index as somebody holds keys, however
long the lists are. Filters are judged on the rows of these keys alone.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, delete, insert, or_, select, union_all

from guardkit.core.approvals import Approval
from guardkit.core.listings import ListPlace, ListQuery, facet, facets, list_limit, listings as listings_of
from guardkit.sql import dialects
from guardkit.sql.tables import listings
from guardkit.sql.thread_rows import begins_with
from guardkit.sql.vault import vault_of

Chosen: TypeAlias = Select[*tuple[Any, ...]]

_SOME = 100
"""How many keys one statement asks for."""


def write(connection: Connection, approval: Approval) -> None:
    """Insert the places of an approval that has none."""
    request, vault = approval.request, vault_of(connection)
    same = {
        "approval_id": request.id,
        "tenant": request.tenant,
        "state": approval.state.value,
        "requested_at": request.requested_at,
        "thread_id": request.thread_id,
        **{name: vault.hashed(value) for name, value in facets(request).items()},
    }
    rows = [
        {
            **same,
            "list": one.list.value,
            "who": vault.hashed(one.key),
            "at": one.at,
            "since": one.since,
            "until": one.until,
        }
        for one in listings_of(approval)
    ]
    if rows:
        connection.execute(insert(listings), rows)


def rewrite(connection: Connection, approval: Approval) -> None:
    """Replace the places of an approval. The transaction holds its row's lock."""
    connection.execute(delete(listings).where(listings.c.approval_id == approval.request.id))
    write(connection, approval)


def found(
    connection: Connection,
    tenant: str,
    keys: Sequence[str],
    query: ListQuery,
    *,
    limit: int,
    place: ListPlace | None,
) -> Sequence[ListPlace]:
    """Where the approvals stand that a list holds from a place on; see `guardkit.core.listings.Listings`."""
    list_limit(limit)
    wanted = [listings.c.tenant == tenant, listings.c.list == query.list.value]
    wanted += _wanted(connection, query)
    descending = query.list.newest_first != (place is not None and place.backwards)
    if place is not None:
        wanted += _beyond(place, descending=descending)
    places: set[tuple[float, str]] = set()
    stored = [one for key in keys for one in vault_of(connection).lookups(key)]
    for start in range(0, len(stored), _SOME):
        chosen = _merged([_of_key(key, wanted, descending, limit) for key in stored[start : start + _SOME]])
        few = _ordered(chosen, chosen.selected_columns, descending).limit(limit)
        places.update((row.at, row.approval_id) for row in connection.execute(few))
    ordered = sorted(places, reverse=descending)[:limit]
    return [ListPlace(at=at, id=name) for at, name in ordered]


def _of_key(key: str, wanted: Sequence[ColumnElement[bool]], descending: bool, limit: int) -> Chosen:
    """What stands first under one key."""
    chosen = select(listings.c.at, listings.c.approval_id).where(listings.c.who == key, *wanted)
    few = _ordered(chosen, listings.c, descending).limit(limit).subquery()
    return select(few.c.at, few.c.approval_id)


def _merged(parts: Sequence[Chosen]) -> Chosen:
    merged = union_all(*parts).subquery()
    return select(merged.c.at, merged.c.approval_id).distinct()


def _ordered(chosen: Chosen, columns: Any, descending: bool) -> Chosen:
    order = (columns.at, columns.approval_id)
    return chosen.order_by(*(column.desc() for column in order)) if descending else chosen.order_by(*order)


def _beyond(place: ListPlace, *, descending: bool) -> list[ColumnElement[bool]]:
    at, name = listings.c.at, listings.c.approval_id
    if descending:
        return [at <= place.at, or_(at < place.at, name < place.id)]
    return [at >= place.at, or_(at > place.at, name > place.id)]


def _wanted(connection: Connection, query: ListQuery) -> list[ColumnElement[bool]]:
    now, vault = dialects.now(connection), vault_of(connection)
    columns = listings.c
    wanted = [columns.since <= now, columns.until > now]
    for kind, name in (("tool", query.tool), ("agent", query.agent), ("requester", query.requester)):
        if name is not None:
            wanted.append(vault.is_hash(columns[f"{kind}_hash"], facet(kind, name)))
    if query.thread is not None:
        wanted.append(columns.thread_id == query.thread)
    if query.state is not None:
        wanted.append(columns.state == query.state.value)
    if query.asked_before is not None:
        wanted.append(columns.requested_at < query.asked_before)
    if query.since is not None:
        wanted.append(columns.at >= query.since)
    if query.until is not None:
        wanted.append(columns.at < query.until)
    if query.search is not None:
        said = query.search
        named = [
            vault.is_hash(columns[f"{kind}_hash"], facet(kind, said))
            for kind in ("tool", "agent", "requester")
        ]
        ids = [begins_with(connection, column, said) for column in (columns.thread_id, columns.approval_id)]
        wanted.append(or_(*named, *ids))
    return wanted
