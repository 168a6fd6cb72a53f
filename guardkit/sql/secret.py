"""The database's own secret: one row, which says that the database is encrypted, and keys the hashes that are looked for."""

import base64
import secrets

from sqlalchemy import Connection, Row, Table, literal, select, update

from guardkit.errors import ConfigurationError, MissingKeyError, SealError
from guardkit.sql import dialects
from guardkit.sql.engines import Backend, reading, writing
from guardkit.sql.faults import told
from guardkit.sql.side_tables import sealing
from guardkit.sql.tables import audit, checkpoints, threads
from guardkit.sql.vault import Vault, Where

_ID = 1
_WHERE: Where = [sealing.name, "secret", None, _ID]


def unlock(found: Backend, vault: Vault) -> None:
    """Give a vault the secret of a database. One that is empty gets a secret; with it, it is encrypted from then on.

    Raises:
        ConfigurationError: it holds what is in clear, and this process takes nothing in clear.
        MissingKeyError: it is encrypted, and this process has no key.
        SealError: it is encrypted with another key.
    """
    with told(found.location, sqlite=found.sqlite):
        with reading(found.engine) as connection:
            row = _row(connection)
            first = None if row is not None or vault.accepts_plain else _in_use(connection)
        if row is None and vault.keyed:
            if first is not None:
                raise ConfigurationError(
                    f"{found.location} is not encrypted: {first.name} has rows",
                    remedy="set encryption_accepts_plain everywhere, then run `guardkit db encrypt`",
                )
            with writing(found.engine) as connection:
                row = _begun(connection, vault)
    if row is None:
        return
    if not vault.keyed:
        raise MissingKeyError(
            f"what is in {found.location} is encrypted, and this process has no key",
            remedy="set GUARDKIT_ENCRYPTION_KEY",
        )
    vault.remember(_opened(row, vault))


def renew(connection: Connection, vault: Vault) -> bool:
    """Encrypt the secret with the newest key. Returns whether it was with another."""
    row = connection.execute(select(sealing).with_for_update()).one()
    if vault.key_of(row.secret) == vault.key_id:
        return False
    anew = vault.sealed_text(_WHERE, base64.b64encode(_opened(row, vault)).decode())
    connection.execute(update(sealing).where(sealing.c.id == _ID).values(secret=anew))
    return True


def _row(connection: Connection) -> Row[tuple[object, ...]] | None:
    return connection.execute(select(sealing)).one_or_none()


def _in_use(connection: Connection) -> Table | None:
    """The first table that has rows, of those that everybody reads and that are written first."""
    for table in (threads, audit, checkpoints):
        if connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None:
            return table
    return None


def _begun(connection: Connection, vault: Vault) -> Row[tuple[object, ...]] | None:
    fresh = base64.b64encode(secrets.token_bytes(32)).decode()
    row = {"id": _ID, "secret": vault.sealed_text(_WHERE, fresh), "began_at": dialects.now(connection)}
    dialects.insert_new(connection, sealing, row)
    return _row(connection)


def _opened(row: Row[tuple[object, ...]], vault: Vault) -> bytes:
    if vault.key_of(row.secret) is None:
        raise SealError(
            "the database's secret is in clear, which guardkit never writes",
            remedy="restore gk_sealing from a backup",
        )
    return base64.b64decode(vault.opened_text(_WHERE, row.secret))
