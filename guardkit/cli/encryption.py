"""Encrypting the database and changing its key, from the command line."""

from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import Operator, database, out
from guardkit.sql import Sealed, encrypt_database

Batch = Annotated[int, typer.Option(help="Rows of one transaction at most, 1 to 10000.")]


def db_encrypt(by: Operator, batch: Batch = 200) -> None:
    """Encrypt what is in clear, with the newest key. May be run while others work, and again after a kill."""
    with database(accepts_plain=True) as found:
        _tell(encrypt_database(found, by=by, batch=batch))


def db_rekey(by: Operator, batch: Batch = 200) -> None:
    """Encrypt with the newest key what older ones have encrypted. May be run while others work, and again after a kill."""
    with database(accepts_plain=False) as found:
        _tell(encrypt_database(found, by=by, batch=batch))


def _tell(done: Sealed) -> None:
    for table, rows in sorted(done.rows.items()):
        out.print(f"{escape(table)}: {rows}", highlight=False)
    out.print(
        f"{done.total} rows encrypted with key {done.key_id}; all of the database is now", highlight=False
    )
