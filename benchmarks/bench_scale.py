"""What a crowd of approvals costs: claim of due work, and one person's inbox page, on PostgreSQL.

Two databases side by side: one with few pending approvals and as many decided ones, one with many of both. Their rows are
copies of real ones, made by the store for twenty groups; the person is in two of them, so a tenth of everything is hers.
Measured are a worker's claim (looking for due work, taking one thread's lease and giving it back) and what the inbox asks
for one page (25 approvals, and the count up to 100), of what waits and of the history; wall time, in turns, in this
process. The server is `GUARDKIT_TEST_POSTGRES`, as its superuser; without one there is nothing to do. Results go to
`benchmarks/results/scale.json`.

Run: make bench, or python benchmarks/bench_scale.py [few pending] [many pending] [decided] [rounds]. With --small it measures
a handful, to see that it runs, and keeps nothing.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from measuring import keep, median, rounds
from sqlalchemy import Connection, Table, create_engine, make_url, text

from guardkit import PeopleDirectory, Person
from guardkit.core.approvals import ApprovalState, close
from guardkit.core.listings import ListName, ListQuery
from guardkit.core.runs import Opening
from guardkit.core.signing import Signer
from guardkit.core.stages import ApprovalStage
from guardkit.runtime.desk import Desk
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.sql.tables import approvals, listings, threads, turns
from guardkit.testing.contracts import samples

TARGET = 2.0
"""How many times as long it may take with many."""

GROUPS = 20
DUE = 50
"""Threads that wait for a worker, in both."""

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ADA = Person(id="ada", email="ada@example.com", groups=("group-3", "group-11"))
PEOPLE = PeopleDirectory([ADA])


@contextmanager
def databases(server: str) -> Generator[str]:
    """A new database; dropped afterwards."""
    name = f"bench_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def asked(store: SQLStore, thread_id: str, group: int) -> str:
    """A paused thread that waits for a group; returns the id of what it asks."""
    run = store.open_run(samples.opening(thread_id), []).run
    stage = ApprovalStage(groups=(f"group-{group}",), channels=("desk",))
    request = samples.request(run, stages=(stage,), expires_in=7 * 86400.0)
    store.register(run, [request], [])
    closing = samples.closing("paused").model_copy(update={"waits_for": (request.id,)})
    store.close_run(run, closing, [])
    return request.id


def fill(database: Database, pending: int, decided: int) -> None:
    """Approvals of each group, one real and the others its copies, a second apart."""
    store = SQLStore(database)
    for group in range(GROUPS):
        for kind, count in (("open", pending // GROUPS), ("over", decided // GROUPS)):
            if not count:
                continue
            name = f"{kind}-{group}"
            approval_id = asked(store, name, group)
            if kind == "over":
                made = store.find(approval_id)
                assert made is not None
                store.settle(close(made, ApprovalState.CANCELLED, store.now()), made.version, [])
            with database.writing() as connection:
                connection.execute(text(f"UPDATE gk_threads SET due_at = NULL WHERE thread_id = '{name}'"))
                copy(connection, name, approval_id, count - 1)
    asked(store, "claimed", 0)
    approval_id = asked(store, "due", 0)
    with database.writing() as connection:
        connection.execute(text("UPDATE gk_threads SET due_at = opened_at WHERE thread_id = 'due'"))
        copy(connection, "due", approval_id, DUE)
    with create_engine(database.engine.url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))


def copy(connection: Connection, name: str, approval_id: str, count: int) -> None:
    """Copies of a thread's rows, made by the server; without looking up again what each of them refers to."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    thread, new_id = f"'{name}-' || n", f"md5('{name}-' || n)"
    second = "n::bigint * 1000000"
    request = f"replace(replace(request, '{approval_id}', {new_id}), '\"{name}\"', '\"{name}-' || n || '\"')"
    changed: dict[Table, dict[str, str]] = {
        threads: {},
        turns: {},
        approvals: {
            "id": new_id,
            "request": request,
            "requested_at": f"requested_at + {second}",
            "expires_at": f"expires_at + {second}",
            "settled_at": f"settled_at + {second}",
        },
        listings: {
            "approval_id": new_id,
            "at": f"at + {second}",
            "until": f"until + {second}",
            "requested_at": f"requested_at + {second}",
        },
    }
    for table, columns in changed.items():
        names = [column.name for column in table.columns]
        values = [{"thread_id": thread, **columns}.get(column, f'"{column}"') for column in names]
        quoted = ", ".join(f'"{column}"' for column in names)
        connection.execute(
            text(
                f"INSERT INTO {table.name} ({quoted}) SELECT {', '.join(values)} "
                f"FROM {table.name}, generate_series(1, {count}) AS n WHERE thread_id = '{name}'"
            )
        )


def measured(database: Database) -> dict[str, Callable[[], object]]:
    """What is measured on one database."""
    store = SQLStore(database)
    desk = Desk(store, PEOPLE, Signer(KEY))
    opening: Opening = samples.opening("claimed", new_turn=False)

    def claim() -> None:
        assert len(store.due(20)) == 20
        run = store.open_run(opening, []).run
        store.close_run(run, samples.closing("paused"), [])

    def page(of: ListName) -> None:
        query = ListQuery(list=of)
        assert len(desk.page(ADA, query, limit=25).approvals) in (0, 25)
        desk.count(ADA, query)

    def searched() -> None:
        desk.page(ADA, ListQuery(list=ListName.WAITING, search="open-3-1"), limit=25)

    return {
        "claim of due work": claim,
        "inbox page": lambda: page(ListName.WAITING),
        "search of the inbox": searched,
        "page of the history": lambda: page(ListName.HISTORY),
    }


def main() -> None:
    small = sys.argv[1:] == ["--small"]
    given = [300, 400, 500, 3] if small else [int(argument) for argument in sys.argv[1:]]
    few, many, decided, count = (*given, *(1000, 100_000, 1_000_000, 60)[len(given) :])
    server = os.environ.get("GUARDKIT_TEST_POSTGRES")
    if server is None:
        print("no PostgreSQL (GUARDKIT_TEST_POSTGRES): skipped")
        return
    runs: dict[str, Callable[[], object]] = {}
    with ExitStack() as stack:
        for side, (pending, over) in {"few": (few, few), "many": (many, decided)}.items():
            url = stack.enter_context(databases(server))
            upgrade(url)
            database = stack.enter_context(Database(url))
            begun = time.perf_counter()
            fill(database, pending, over)
            print(
                f"{pending:,} pending and {over:,} decided made in {time.perf_counter() - begun:.0f} s",
                flush=True,
            )
            runs |= {f"{name}, {side}": run for name, run in measured(database).items()}
        taken = rounds(runs, count=count, clock=time.perf_counter_ns)
    results: list[dict[str, Any]] = []
    print(f"ms, median [95% interval] of {count}: {few:,} pending; {many:,} pending and {decided:,} decided")
    for name in dict.fromkeys(run.rpartition(",")[0] for run in runs):
        sides = {side: median([each / 1000 for each in taken[f"{name}, {side}"]]) for side in ("few", "many")}
        times = sides["many"].median / sides["few"].median
        judged = name in ("claim of due work", "inbox page")
        results.append(
            {"what": name, **sides, "times": round(times, 2), **({"met": times <= TARGET} if judged else {})}
        )
        said = "" if not judged or times <= TARGET else "ABOVE TARGET"
        print(f"{name:20} {sides['few']}   {sides['many']}   {times:5.2f} times {said}", flush=True)
    sizes = {"few_pending": few, "many_pending": many, "decided": decided}
    if small:
        return
    keep("scale", {"unit": "ms", "target": TARGET, **sizes, "rounds": count, "results": results})


if __name__ == "__main__":
    main()
