"""Encrypting a database that is there, changing its key, and seeing that all of it opens."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import Table

from guardkit.core.audit import AuditEvent
from guardkit.core.values import Json, Value
from guardkit.errors import BusyError, InputError, MissingKeyError
from guardkit.sql import audit, dialects, names, resealing, secret
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.database import Database

BATCH = 200
"""Rows that are read at once, and written in one transaction, unless it is told otherwise."""

_ROUNDS = 20
_PAUSE = 0.2
"""Seconds until what somebody held is tried again."""


class Sealed(Value):
    """What was brought to the newest key."""

    key_id: str
    rows: Mapping[str, int]
    """Rows that were written, by table."""

    @property
    def total(self) -> int:
        """Of all tables."""
        return sum(self.rows.values())


class SealCheck(Value):
    """What opens of a table."""

    table: str
    values: int
    """How many were opened."""

    keys: Mapping[str, int]
    """How many of them each key has sealed; those in clear under an empty name."""

    bad: int = 0
    problem: str | None = None
    """What is wrong with the first that does not open."""


def encrypt_database(database: Database, *, by: str, batch: int = BATCH) -> Sealed:
    """Seal all that the newest key has not sealed, audited: what is in clear, and what an older key has sealed.

    Each batch is a transaction; others work meanwhile, with the same keys. After a kill another call goes on with what is left. Nothing in clear
    is taken unless the database accepts it.

    Args:
        database: the database, with its keys. On PostgreSQL as the owner of the tables: other roles do not change the audit log.
        by: who does it; goes into the audit log.
        batch: rows of a transaction at most, 1 to 10,000.

    Raises:
        BusyError: somebody has held a row all the time. Run it again.
        InputError: `batch` or `by` cannot be used.
        MissingKeyError: the database was opened without a key.
        SealError: a value does not open. What came before it is sealed.
        StorageError: the database cannot be reached, or refuses.
    """
    names.checked("by", by, NAME_LENGTH)
    if not 1 <= batch <= 10_000:
        raise InputError(f"batch is {batch!r}", remedy="1 to 10000")
    vault = database.vault
    if not vault.keyed:
        raise MissingKeyError("there is no key to encrypt with", remedy="set GUARDKIT_ENCRYPTION_KEY")
    rows: Counter[str] = Counter()
    with database.writing() as connection:
        secret.renew(connection, vault)
    for table in resealing.TABLES:
        for _ in range(_ROUNDS):
            done, left = resealing.round_of(database, table, batch)
            rows[table.name] += done
            if not done and not left:
                break
            if left:
                time.sleep(_PAUSE)
        else:
            raise BusyError(f"rows of {table.name} are held by others all the time", remedy="run it again")
    said: dict[str, Json] = {name: count for name, count in sorted(rows.items()) if count}
    event = AuditEvent(kind="database.encrypted", data={"by": by, "key": vault.key_id, "rows": said})
    with database.writing() as connection:
        audit.append(connection, names.EVERYBODY, [event], dialects.now(connection))
    return Sealed(key_id=vault.key_id, rows={name: count for name, count in rows.items() if count})


def check_encryption(database: Database, *, limit: int | None = None) -> Sequence[SealCheck]:
    """Open what is sealed, table by table.

    Args:
        database: the database, with its keys.
        limit: rows of each table at most, the first by primary key; all of them when `None`.

    Raises:
        InputError: `limit` is no number of rows.
        MissingKeyError: the database is encrypted, and was opened without a key.
        StorageError: it cannot be reached.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit!r}", remedy="1 or more")
    return [
        _checked(database, table, limit) for table in resealing.TABLES if table not in resealing.ONLY_HASHED
    ]


def _checked(database: Database, table: Table, limit: int | None) -> SealCheck:
    keys: Counter[str] = Counter()
    bad, problem, seen = 0, None, 0
    for page in resealing.pages(database, table, BATCH if limit is None else min(limit, BATCH)):
        for row in page:
            keys += resealing.keys_of(database.vault, table, row)
            for error in resealing.broken(database.vault, table, row):
                bad, problem = bad + 1, problem or error.message
        seen += len(page)
        if limit is not None and seen >= limit:
            break
    return SealCheck(table=table.name, values=sum(keys.values()), keys=dict(keys), bad=bad, problem=problem)
