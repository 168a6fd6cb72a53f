"""One SQL database for everything durable: leases, turns, approvals, ledger, audit, checkpoints."""

from guardkit.sql.anomalies import SQLAnomalies
from guardkit.sql.backups import back_up
from guardkit.sql.database import Database
from guardkit.sql.downgrades import Downgrade, downgrade, plan_downgrade
from guardkit.sql.encrypting import SealCheck, Sealed, check_encryption, encrypt_database
from guardkit.sql.erasure import SQLErasure
from guardkit.sql.inspection import Inspected, inspect_database
from guardkit.sql.retention import SQLRetention
from guardkit.sql.revisions import current_revision, head_revision, standing, upgrade
from guardkit.sql.roles import roles_script, row_level_security_script
from guardkit.sql.saver import SQLAlchemySaver
from guardkit.sql.sizes import DatabaseSize, database_size
from guardkit.sql.standing import Standing
from guardkit.sql.store import SQLStore
from guardkit.sql.takeover import ImportedThread, import_threads

__all__ = [
    "Database",
    "DatabaseSize",
    "Downgrade",
    "ImportedThread",
    "Inspected",
    "SQLAlchemySaver",
    "SQLAnomalies",
    "SQLErasure",
    "SQLRetention",
    "SQLStore",
    "SealCheck",
    "Sealed",
    "Standing",
    "back_up",
    "check_encryption",
    "current_revision",
    "database_size",
    "downgrade",
    "encrypt_database",
    "head_revision",
    "import_threads",
    "inspect_database",
    "plan_downgrade",
    "roles_script",
    "row_level_security_script",
    "standing",
    "upgrade",
]
