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


def row_level_security_script(
    *, schema: str = "public", agent: str = "guardkit_agent", service: str = "guardkit_service"
) -> str:
    """SQL that lets an agent see rows of the tenant only that its transaction names; see `Database`.

    The other role sees all tenants, as does the owner of the tables; everybody else sees nothing.

    Args:
        schema: where the tables are.
        agent: the agents' role.
        service: the role of workers, web processes and the command line.

    Raises:
        InputError: a name is none that PostgreSQL takes.
    """
    to_agent, to_service = _quoted("agent", agent), _quoted("service", service)
    lines = [
        "-- Row-level security for guardkit's tables on PostgreSQL: run it after the script of roles.",
        "",
        "BEGIN;",
    ]
    for name, table in sorted(metadata.tables.items()):
        if "tenant" not in table.columns:
            continue
        on = f"{_quoted('schema', schema)}.{name}"
        own = "tenant = pg_catalog.current_setting('guardkit.tenant', true)"
        if table.columns["tenant"].nullable:
            own = f"tenant IS NULL OR {own}"
        lines += [
            "",
            f"ALTER TABLE {on} ENABLE ROW LEVEL SECURITY;",
            f"DROP POLICY IF EXISTS gk_own ON {on};",
            f"CREATE POLICY gk_own ON {on} TO {to_agent} USING ({own}) WITH CHECK ({own});",
            f"DROP POLICY IF EXISTS gk_all ON {on};",
            f"CREATE POLICY gk_all ON {on} TO {to_service} USING (true) WITH CHECK (true);",
        ]
    return "\n".join([*lines, "", "COMMIT;", ""])


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
