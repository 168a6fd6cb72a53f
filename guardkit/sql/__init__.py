"""One SQL database for everything durable: leases, turns, approvals, ledger, audit, checkpoints."""

from guardkit.sql.database import Database
from guardkit.sql.revisions import current_revision, head_revision, upgrade
from guardkit.sql.saver import SQLAlchemySaver
from guardkit.sql.store import SQLStore

__all__ = ["Database", "SQLAlchemySaver", "SQLStore", "current_revision", "head_revision", "upgrade"]
