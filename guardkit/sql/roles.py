"""Scripts for who may do what with guardkit's tables on PostgreSQL. They are printed for whoever owns the database."""

import re
from importlib import resources

from guardkit.errors import InputError
from guardkit.sql.side_tables import metadata

VERSION_TABLE = "gk_alembic_version"
_LONGEST = 63
"""Bytes of a PostgreSQL identifier; the server cuts longer ones off."""


def roles_script(
    *, schema: str = "public", agent: str = "guardkit_agent", service: str = "guardkit_service"
) -> str:
    """SQL that makes two roles: one for agents, one for workers, web processes and the command line.

    Args:
        schema: where the tables are.
        agent: the agents' role. It cannot decide, stop, change what was written to the audit log, or undo an effect.
        service: the other role.

    Raises:
        InputError: a name is none that PostgreSQL takes, or both roles are the same.
    """
    names = {"schema": schema, "agent": agent, "service": service}
    quoted = {field: _quoted(field, name) for field, name in names.items()}
    if agent == service:
        raise InputError(f"agent and service are both {agent!r}", remedy="give each a role of its own")
    tables = [f"{quoted['schema']}.{name}" for name in (*sorted(metadata.tables), VERSION_TABLE)]
    words = quoted | {
        "agent_text": _text(agent),
        "service_text": _text(service),
        "approvals_text": _text(f"{quoted['schema']}.gk_approvals"),
        "tables": ",\n    ".join(tables),
    }
    return re.sub(r"\{(\w+)\}", lambda found: words[found[1]], _file("roles.sql"))


def _file(name: str) -> str:
    return resources.files("guardkit.sql").joinpath("scripts", name).read_text(encoding="utf-8")


def _quoted(field: str, name: str) -> str:
    """A name as an identifier, whatever is in it."""
    if not name or len(name.encode()) > _LONGEST or not name.isprintable():
        raise InputError(
            f"{field} {name!r} is no name for PostgreSQL",
            remedy=f"1 to {_LONGEST} bytes, all of them printable",
        )
    if "$guardkit$" in name:
        raise InputError(f"{field} {name!r} holds '$guardkit$', which ends a function in the script")
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    """A text as a literal, whatever the server thinks of backslashes."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in value else f"'{escaped}'"
