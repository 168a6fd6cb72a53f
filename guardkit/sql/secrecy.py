"""How each column is kept where encryption is on: open, sealed, or as a keyed hash.

Open is what databases compare, join and order by, and what names things of the configuration: ids, tenants, threads, agents, tools, states,
times, counts, digests with a salt. Sealed is what people, models and tools wrote, and who somebody is. A keyed hash is what is looked for.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias, cast

from sqlalchemy import Connection, RowMapping, Table
from sqlalchemy.sql.schema import Column

from guardkit.sql.side_tables import (
    anomalies,
    answers,
    api_replies,
    api_tokens,
    contacts,
    holds,
    posts,
    reviews,
    standing,
)
from guardkit.sql.tables import (
    approvals,
    audit,
    blobs,
    checkpoints,
    deliveries,
    effects,
    listings,
    stops,
    threads,
    turns,
    writes,
)
from guardkit.sql.vault import Vault, Where, vault_of

Secrecy: TypeAlias = Literal["open", "sealed", "state", "hash"]
"""`state` is sealed too, by the saver: its rows are not read one by one."""

SEALED: Mapping[Table, tuple[str, ...]] = {
    threads: ("dead_letter",),
    turns: ("principal", "no_result", "marks", "input"),
    approvals: ("request", "args", "decisions"),
    deliveries: ("error",),
    effects: ("key", "result"),
    audit: ("data", "salts"),
    stops: ("set_by", "why", "lifted_by", "lifted_why"),
    posts: ("recipient", "address"),
    contacts: ("key", "reference"),
    api_tokens: ("subject", "created_by", "revoked_by"),
    api_replies: ("body",),
    reviews: ("review",),
    standing: ("given", "revocation"),
    holds: ("set_by", "why", "lifted_by", "lifted_why"),
    anomalies: ("settled_by",),
}
"""Columns whose values are sealed one by one."""

STATES: Mapping[Table, tuple[str, ...]] = {
    checkpoints: ("body", "metadata"),
    blobs: ("value",),
    writes: ("value",),
}
"""Columns that the saver seals."""

HASHED: Mapping[Table, tuple[str, ...]] = {
    threads: ("agent_hash", "principal_hash"),
    listings: ("who", "tool_hash", "agent_hash", "requester_hash"),
    contacts: ("contact_hash",),
    standing: ("who",),
    answers: ("who",),
}
"""Columns of keyed hashes."""

OPEN: Mapping[str, str] = {
    "gk_threads": "tenant thread_id agent turn opened_at token lease_owner lease_run lease_until due_at due_why due_mark "
    "attempts status active_at",
    "gk_turns": "tenant thread_id number agent fingerprint policy_version salt status opened_at active_seconds "
    "tool_calls steps",
    "gk_approvals": "id tenant thread_id turn state version digest requested_at expires_at on_expiry settled_at",
    "gk_listings": "approval_id list tenant at since until state requested_at thread_id",
    "gk_deliveries": "id approval_id tenant channel kind stage state attempts next_at delivered_at rendered",
    # `key_hash` is not keyed: processes of two kinds must meet at the same row, or an effect would run twice.
    "gk_effects": "tenant key_hash tool digest action_id thread_id turn run_id token state attempt approval_id "
    "standing_id claimed_at settled_at deadline",
    "gk_audit": "tenant seq at kind thread_id turn previous hash",
    "gk_audit_heads": "tenant seq hash",
    "gk_stops": "id scope tenant target set_at lifted_at",
    "gk_stop_gate": "id",
    "gk_checkpoints": "tenant thread_id ns_hash checkpoint_id ns parent_id run_id type metadata_type refs",
    "gk_blobs": "tenant thread_id ns_hash channel version type base",
    "gk_writes": "tenant thread_id ns_hash checkpoint_id task_id idx task_path channel type",
    "gk_posts": "id approval_id tenant channel delivery stage version open kept_at",
    "gk_contacts": "tenant channel kept_at",
    "gk_taken": "taken_hash until",
    "gk_api_tokens": "id tenant hash holder scopes created_at expires_at revoked_at",
    "gk_api_replies": "name tenant fingerprint owner held_until kept_until status",
    "gk_answers": "approval_id number tenant at waited kind stage rule delegated",
    "gk_reviews": "approval_id tenant thread_id due_at noted_at closed_at",
    "gk_standing": "id tenant approval_id thread_id uses used at_most spent given_at until revoked_at",
    "gk_watch_cursors": "tenant seq looked_at",
    "gk_watch_counts": "tenant seconds agent began_at tool proposed blocked failed answered rejected turns no_results",
    "gk_anomalies": "id tenant agent measure tool seconds began_at part whole usual score past found_at stands_until anew",
    "gk_holds": "id tenant thread_id set_at lifted_at",
    "gk_hold_gate": "id",
    "gk_sealing": "id secret began_at",
}
"""Columns in clear. `gk_sealing.secret` is sealed by itself: it opens the rest."""

NO_DECISIONS = '{"v":1,"value":[]}'
"""What is said of a question that nobody has answered, kept in clear: the trigger of PostgreSQL's roles looks for it."""


def secrecy(column: Column[Any]) -> Secrecy | None:
    """How a column is kept; `None` when nobody has said."""
    table, name = column.table, column.name
    kinds: Mapping[Secrecy, Mapping[Table, tuple[str, ...]]] = {
        "sealed": SEALED,
        "state": STATES,
        "hash": HASHED,
    }
    for kind, known in kinds.items():
        if name in known.get(table, ()):
            return kind
    return "open" if name in OPEN.get(table.name, "").split() else None


def where(table: Table, column: str, of: Any) -> Where:
    """The place of a value: what is authenticated with it.

    Args:
        table: its table.
        column: its column.
        of: the row, or a mapping of its columns; with the primary key and the tenant.
    """
    keys = [key.name for key in table.primary_key.columns]
    if isinstance(of, Mapping):
        row = cast("Mapping[str, Any]", of)
        return [table.name, column, row.get("tenant"), *(row[name] for name in keys)]
    return [table.name, column, getattr(of, "tenant", None), *(getattr(of, name) for name in keys)]


def sealed(connection: Connection, table: Table, values: Mapping[str, Any], of: Any = None) -> dict[str, Any]:
    """What is written of values of a row.

    Args:
        connection: a transaction.
        table: whose row it is.
        values: by column.
        of: where the primary key and the tenant are, if not among the values.
    """
    return sealed_by(vault_of(connection), table, values, of)


def sealed_by(vault: Vault, table: Table, values: Mapping[str, Any], of: Any = None) -> dict[str, Any]:
    """As `sealed`, by a vault."""
    done = dict(values)
    for name in SEALED.get(table, ()):
        value = done.get(name)
        if value is None or is_constant(table, name, value):
            continue
        place = where(table, name, values if of is None else of)
        done[name] = (
            vault.sealed_bytes(place, value) if isinstance(value, bytes) else vault.sealed_text(place, value)
        )
    return done


def row_values(row: RowMapping) -> dict[str, Any]:
    """The columns of a row by name, as they are stored."""
    return {str(name): value for name, value in row.items()}


def opened_values(connection: Connection, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The sealed columns of a row, opened; raises `SealError`."""
    whole = Opened(vault_of(connection), table, SimpleNamespace(**row))
    return {name: getattr(whole, name) for name in SEALED.get(table, ())}


def is_constant(table: Table, name: str, value: object) -> bool:
    """Whether a value is kept in clear although its column is sealed: it says nothing."""
    return table is approvals and name == "decisions" and value == NO_DECISIONS


class Opened:
    """A row whose sealed columns open when they are read.

    Args:
        vault: of the database.
        table: whose row it is.
        row: the row, with primary key and tenant.
    """

    __slots__ = ("_row", "_table", "_vault")

    def __init__(self, vault: Vault, table: Table, row: Any) -> None:
        self._vault = vault
        self._table = table
        self._row = row

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._row, name)
        if value is None or name not in SEALED.get(self._table, ()):
            return value
        if is_constant(self._table, name, value):
            return value
        place = where(self._table, name, self._row)
        if isinstance(value, str):
            return self._vault.opened_text(place, value)
        return self._vault.opened_bytes(place, value)


def opened(connection: Connection, table: Table, row: Any) -> Any:
    """A row whose sealed columns open when they are read; raises `SealError` then.

    Args:
        connection: a transaction.
        table: whose row it is.
        row: with primary key and tenant under their own names.
    """
    return Opened(vault_of(connection), table, row)
