"""The types of columns, which compare and round alike on every database.

Names compare byte by byte. Instants are whole microseconds since the epoch by the database's clock, so that what is read
back is exactly what was written.
"""

from typing import Any

from sqlalchemy import BigInteger, Dialect, LargeBinary, MetaData, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

TENANT_LENGTH = 128
NAME_LENGTH = 255
CHECKPOINT_LENGTH = 128

MICROSECONDS = 1_000_000


class Moment(TypeDecorator[float]):
    """Seconds since the epoch in Python, whole microseconds in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        """Seconds to microseconds."""
        return None if value is None else round(value * MICROSECONDS)

    def process_result_value(self, value: int | None, dialect: Dialect) -> float | None:
        """Microseconds to seconds."""
        return None if value is None else value / MICROSECONDS


def name(length: int) -> String:
    """A key: compared and ordered byte by byte."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def text() -> Text:
    """Text without a limit that matters."""
    return Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def blob() -> LargeBinary:
    """Bytes without a limit that matters."""
    return LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


TABLE: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

metadata = MetaData()
