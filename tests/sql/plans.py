"""How a database goes about what a store asks of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import event

from guardkit.sql import Database


def plans(database: Database, ask: Any, about: str = "gk_threads") -> list[str]:
    """How the database goes about the statements of a call, a line a step."""
    said: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if about in statement:
            said.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    word = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}.get(
        database.engine.dialect.name, "EXPLAIN FORMAT=JSON "
    )
    steps: list[str] = []
    with database.reading() as connection:
        for statement, parameters in said:
            for row in connection.exec_driver_sql(word + statement, parameters):
                steps.append(str(row[3] if word.startswith("EXPLAIN QUERY") else row[0]))
    assert steps
    return steps


def tables_of(plan: Any) -> Iterator[dict[str, Any]]:
    """What MariaDB says of each table in a plan."""
    if isinstance(plan, dict):
        if "table_name" in plan:
            yield plan
        for part in plan.values():
            yield from tables_of(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from tables_of(part)


def scans(database: Database, steps: list[str]) -> list[str]:
    """The steps that read a whole table of guardkit's, or a whole index."""
    match database.engine.dialect.name:
        case "sqlite":
            return [step for step in steps if step.startswith("SCAN gk_")]
        case "postgresql":
            return [step for step in steps if "Seq Scan on gk_" in step]
        case _:
            return [
                f"{one['table_name']}: {one['access_type']}"
                for step in steps
                for one in tables_of(json.loads(step))
                if one["access_type"] in ("ALL", "index") and not str(one["table_name"]).startswith("<")
            ]


def keys(database: Database, steps: list[str], *tables: str) -> list[set[str]]:
    """By which columns of an index the database finds rows of a table, once for each time that it looks into it.

    Args:
        database: that says so.
        steps: of `plans`.
        tables: the table, and what statements call it.
    """
    match database.engine.dialect.name:
        case "sqlite":
            looks = [re.match(r"(?:SEARCH|SCAN) (\w+)(?: USING .*\((.*)\))?", step) for step in steps]
            return [
                set(re.findall(r"(\w+)[=<>]\?", look[2] or ""))
                for look in looks
                if look and look[1] in tables
            ]
        case "postgresql":
            found: list[set[str]] = []
            for step, after in zip(steps, [*steps[1:], ""], strict=True):
                look = re.search(r"(?:Seq|Index|Index Only) Scan (?:Backward )?(?:using \w+ )?on (\w+)", step)
                if look and look[1] in tables:
                    known = after if "Index Cond:" in after else ""
                    found.append(set(re.findall(r"\((\w+)\)::\w+ [=<>]", known)))
            return found
        case _:
            return [
                set(one.get("used_key_parts", ()))
                for step in steps
                for one in tables_of(json.loads(step))
                if one["table_name"] in tables
            ]
