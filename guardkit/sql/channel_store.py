"""The part of the store that keeps what channels remember: each method of `ChannelRecords`, one transaction."""

from collections.abc import Sequence

from guardkit.core.runs import Contact, Post
from guardkit.sql import records
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone


class ChannelStore:
    """Copies of questions, contacts, and what is taken once, in one SQL database."""

    database: Database

    @redone
    def keep_post(self, post: Post) -> None:
        """Insert a copy of a question, or replace the one with the same id."""
        with self.database.writing() as connection:
            records.keep_post(connection, post)

    def posts(self, tenant: str, approval_id: str) -> Sequence[Post]:
        """Every copy of a question, oldest first."""
        with self.database.reading() as connection:
            return records.of_approval(connection, tenant, approval_id)

    @redone
    def keep_contact(self, contact: Contact) -> None:
        """Insert a contact, or replace the one with the same tenant, channel and key."""
        with self.database.writing() as connection:
            records.keep_contact(connection, contact)

    def contact(self, tenant: str, channel: str, key: str) -> Contact | None:
        """The contact with this key."""
        with self.database.reading() as connection:
            return records.contact(connection, tenant, channel, key)

    @redone
    def forget_contact(self, tenant: str, channel: str, key: str) -> bool:
        """Remove a contact. Returns whether it was there."""
        with self.database.writing() as connection:
            return records.forget_contact(connection, tenant, channel, key)

    @redone
    def first_time(self, scope: str, key: str, seconds: float) -> bool:
        """Whether nobody has taken this in the last `seconds`, in any process."""
        with self.database.writing() as connection:
            return records.first_time(connection, scope, key, seconds)
