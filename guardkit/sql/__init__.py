"""One SQL database for everything durable: leases, turns, approvals, ledger, audit, checkpoints."""

# Where the names are is told in `__init__.pyi`.
# pyright: reportUnsupportedDunderAll=false

from guardkit import loading as _loading
from guardkit.sql.revisions import standing  # a module has the same name, and must not be found instead

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

_HOMES = {
    "Database": "guardkit.sql.database",
    "DatabaseSize": "guardkit.sql.sizes",
    "Downgrade": "guardkit.sql.downgrades",
    "ImportedThread": "guardkit.sql.takeover",
    "Inspected": "guardkit.sql.inspection",
    "SQLAlchemySaver": "guardkit.sql.saver",
    "SQLAnomalies": "guardkit.sql.anomalies",
    "SQLErasure": "guardkit.sql.erasure",
    "SQLRetention": "guardkit.sql.retention",
    "SQLStore": "guardkit.sql.store",
    "SealCheck": "guardkit.sql.encrypting",
    "Sealed": "guardkit.sql.encrypting",
    "Standing": "guardkit.sql.standing",
    "back_up": "guardkit.sql.backups",
    "check_encryption": "guardkit.sql.encrypting",
    "current_revision": "guardkit.sql.revisions",
    "database_size": "guardkit.sql.sizes",
    "downgrade": "guardkit.sql.downgrades",
    "encrypt_database": "guardkit.sql.encrypting",
    "head_revision": "guardkit.sql.revisions",
    "import_threads": "guardkit.sql.takeover",
    "inspect_database": "guardkit.sql.inspection",
    "plan_downgrade": "guardkit.sql.downgrades",
    "roles_script": "guardkit.sql.roles",
    "row_level_security_script": "guardkit.sql.roles",
    "standing": "guardkit.sql.revisions",
    "upgrade": "guardkit.sql.revisions",
}
"""Where each name is, for whoever asks for it first. Type checkers read `__init__.pyi`."""

__getattr__ = _loading.on_demand(__name__, _HOMES)
__dir__ = _loading.listed(__name__, _HOMES)
