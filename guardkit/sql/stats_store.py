"""The part of the store that counts what people answered: each method of `Stats`, one transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection

from guardkit.core.stats import Measured
from guardkit.sql import answers, approval_rows
from guardkit.sql.database import Database
from guardkit.sql.vault import vault_of


class StatsStore:
    """What people answered, in one SQL database."""

    database: Database

    def measure(self, tenant: str, since: float, until: float) -> Measured:
        """What a tenant's people answered in a window; see `guardkit.core.stats.Stats.measure`."""

        def counted(connection: Connection) -> Measured:
            found = answers.measure(connection, tenant, since, until)
            examples = approval_rows.of_tenant(connection, tenant, [one.example for one in found.approvers])
            return answers.in_clear(found, vault_of(connection), examples)

        return self.database.look(counted)

    def count_waiting(self, tenant: str, keys: Sequence[str]) -> int:
        """How many approvals wait now under one of the keys. Stops at 10,000."""
        return self.database.look(lambda connection: answers.count_waiting(connection, tenant, keys))
