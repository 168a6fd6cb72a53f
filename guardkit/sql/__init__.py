"""One SQL database for everything durable: leases, turns, approvals, ledger, audit, checkpoints."""

from guardkit.sql.anomalies import SQLAnomalies
from guardkit.sql.database import Database
from guardkit.sql.revisions import current_revision, head_revision, standing, upgrade
from guardkit.sql.saver import SQLAlchemySaver
from guardkit.sql.standing import Standing
from guardkit.sql.store import SQLStore

__all__ = [
    "Database",
    "SQLAlchemySaver",
    "SQLAnomalies",
    "SQLStore",
    "Standing",
    "current_revision",
    "head_revision",
    "standing",
    "upgrade",
]
