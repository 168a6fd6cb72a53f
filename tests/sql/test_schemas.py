"""Tables in a schema of guardkit's own: everything works there, and two of them in one database do not see each other.

The contract of the store is tried in a schema by `test_poolers.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.sqlite import SqliteSaver
from sqlalchemy import create_engine, event, make_url
from typer.testing import CliRunner

from guardkit import Finished, Guard, GuardedGraph, Keys
from guardkit.cli import app
from guardkit.core.approvals import ApprovalState
from guardkit.core.audit import verify
from guardkit.core.runs import StopOrder
from guardkit.core.values import JsonObject
from guardkit.errors import ConfigurationError, InputError, StorageError
from guardkit.sql import (
    Database,
    SQLAlchemySaver,
    SQLStore,
    database_size,
    downgrade,
    inspect_database,
    roles_script,
    row_level_security_script,
    standing,
    upgrade,
)
from guardkit.sql.news import News, try_news
from guardkit.testing import FakeChannel, calls
from guardkit.testing.contracts import samples
from tests.conftest import new_database
from tests.promises.scene import (
    ASK,
    KIM,
    PEOPLE,
    People,
    agent as react,
    approvals,
    ask,
    decide,
    go_on,
    payer,
    policy_of,
    run,
    work,
)
from tests.sql.fenced import FencedSaver

pytestmark = pytest.mark.postgres

PAY = {"claim": "C-1", "amount": 48}


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """A database in which nothing is guardkit's but what is in schemas."""
    with new_database("postgres") as url:
        yield url


@pytest.fixture
def placed(shared: str) -> Iterator[Database]:
    """A new schema of guardkit's."""
    with Database(shared, schema=f"gk_{uuid.uuid4().hex[:12]}") as database:
        upgrade(database)
        yield database


async def test_savers_conform_in_a_schema(placed: Database) -> None:
    @checkpointer_test(name="guardkit-schema")
    async def fresh() -> AsyncGenerator[FencedSaver, None]:
        yield FencedSaver(placed)

    report = (await validate(fresh)).results
    assert {name: result.failures for name, result in report.items() if result.failures} == {}
    assert all(result.detected for result in report.values())


class Place:
    """A guard with an agent that pays when somebody says yes, on tables of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.paid: list[JsonObject] = []
        people = People(*PEOPLE)
        self.guard = Guard(
            database,
            policy=policy_of({"pay": ASK}, people=people),
            keys=Keys.generate(),
            directory=people,
            channels={"desk": FakeChannel("desk")},
        )
        tool = payer(self.guard, self.paid, key=lambda args: args.claim)
        self.graph: GuardedGraph = self.guard.compile(
            react([calls(("pay", PAY)), "Done."], [tool]), name="claims"
        )
        self.config = self.guard.config("t-1", KIM)

    def pending(self) -> list[Any]:
        return approvals(self.guard, ApprovalState.PENDING)


@pytest.mark.promise("P2", "P3", "P14")
def test_two_guardkits_in_one_database_do_not_see_each_other() -> None:
    with new_database("postgres") as url:
        upgrade(url)
        databases = [Database(url), *(Database(url, schema=name) for name in ("first", "user"))]
        for database in databases[1:]:
            upgrade(database)
        places = [Place(database) for database in databases]
        news = [News(database) for database in databases]
        try:
            for place in places:
                run(place.graph, ask(), place.config)
            for one in news:
                one.wait(0.2)
            # The same thread, key and question everywhere, and one of them is answered.
            decide(places[1].guard, places[1].pending()[0])
            assert [one.wait(0.3) for one in news] == [False, True, False]
            for place in places:
                work(place.guard)
            go_on(places[1].graph, places[1].config)
            assert [place.paid for place in places] == [[], [PAY], []]
            assert [len(place.pending()) for place in places] == [1, 0, 1]
            assert isinstance(places[1].guard.outcome(None, places[1].config), Finished)

            places[2].guard.store.set_stop(
                StopOrder(
                    id="s", scope="everything", tenant=None, target=None, by="olga", why="drill", at=0.0
                )
            )
            assert [len(place.guard.store.stops()) for place in places] == [0, 0, 1]
            SQLAlchemySaver(databases[1]).delete_thread("t-1")
            assert [bool(place.graph.get_state(place.config).values) for place in places] == [
                True,
                False,
                True,
            ]
            for place in places:
                for tenant in place.guard.store.tenants():
                    assert verify(tenant, place.guard.store.entries(tenant, limit=1000)).intact
                assert [one.says for one in inspect_database(place.database) if not one.ok] == []
            sizes = [{one.table: one.rows for one in database_size(one).tables} for one in databases]
            assert [size["gk_stops"] for size in sizes] == [0, 0, 1]
            assert all(database_size(one).bytes > 100_000 for one in databases)

            for one in news:
                one.close()
            undone = downgrade(databases[1], "0005", by="olga", allow_loss=True)
            assert "schema first" in undone.location
            assert [standing(one).tables for one in databases] == ["current", "older", "current"]
            upgrade(databases[1])
            assert [one.says for one in inspect_database(databases[1]) if not one.ok] == []
        finally:
            for one in news:
                one.close()
            for database in databases:
                database.close()


def test_an_engine_may_bring_its_schema_along(placed: Database) -> None:
    engine = create_engine(
        placed.engine.url, execution_options={"schema_translate_map": {None: placed.schema}}
    )
    with Database(engine) as database:
        assert database.schema == placed.schema
        assert [one.says for one in inspect_database(database) if not one.ok] == []
        assert samples.opened(SQLStore(database)).run.thread_id == "t"
    with Database(
        engine.execution_options(schema_translate_map={"other": "one"}), schema=placed.schema
    ) as database:
        assert SQLStore(database).turn("default", "t") is not None
    engine.dispose()


def test_no_statement_rests_on_the_session(placed: Database) -> None:
    """A pooler gives each transaction another session, so nothing may be set that outlives one."""
    seen: list[str] = []
    event.listen(placed.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    place = Place(placed)
    run(place.graph, ask(), place.config)
    database_size(placed)
    assert any("search_path" in statement for statement in seen)
    assert all(
        statement.startswith("SET LOCAL")
        for statement in seen
        if statement.lstrip().upper().startswith("SET")
    )


def test_tables_that_are_missing_are_named_with_their_schema(shared: str) -> None:
    with Database(shared, schema="nowhere") as database:
        assert standing(database).tables == "missing"
        with pytest.raises(ConfigurationError, match=r"schema nowhere.*guardkit db upgrade"):
            database.prepare()
        with pytest.raises(InputError, match="no tables of guardkit's"):
            downgrade(database, "0005", by="olga")
        assert standing(database).tables == "missing"


@pytest.mark.parametrize(
    "name", ["", "Claims", "a-b", "a b", "1st", 'a"b', "a.b", "a" * 49, "pg_own", "information_schema"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="schema is") as refused:
        Database("postgresql://nobody@127.0.0.1:1/none", schema=name)
    assert refused.value.remedy


def test_where_a_schema_is_a_database_the_remedy_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a schema is a database") as refused:
        Database("mysql://nobody@127.0.0.1:1/none", schema="claims")
    assert "CREATE DATABASE claims" in str(refused.value.remedy)
    with pytest.raises(ConfigurationError, match="SQLite file has no schemas"):
        Database(f"sqlite:///{tmp_path / 'guardkit.db'}", schema="claims")
    assert not list(tmp_path.iterdir())


def execute(url: str, script: str) -> None:
    with psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(False), autocommit=True
    ) as connection:
        connection.execute(script.encode())


@pytest.mark.promise("P6")
def test_roles_and_row_level_security_hold_in_a_schema() -> None:
    unique = uuid.uuid4().hex[:12]
    roles = {kind: f"gk_{kind}_{unique}" for kind in ("agent", "service")}
    with new_database("postgres") as url:
        with Database(url, schema="claims") as database:
            upgrade(database)
        given: dict[str, Any] = {"schema": "claims", **roles}
        try:
            execute(url, roles_script(**given) + row_level_security_script(**given))
            for role in roles.values():
                execute(url, f"ALTER ROLE {role} LOGIN")
            agent, service = (make_url(url).set(username=role) for role in roles.values())
            with Database(service, schema="claims") as database:
                samples.paused(SQLStore(database), tenant="acme")
                (asked,) = samples.paused(SQLStore(database))
                assert samples.approved(SQLStore(database), asked).state is ApprovalState.APPROVED
            with Database(agent, schema="claims", tenant="default") as database:
                store = SQLStore(database)
                assert [row.tenant for row in store.threads(None)] == ["default"]
                (again,) = samples.paused(store, "t-2")
                with pytest.raises(StorageError):
                    samples.approved(store, again)
        finally:
            for role in roles.values():
                execute(url, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_schema_that_somebody_made_is_enough_for_who_may_make_none() -> None:
    login = f"gk_owner_{uuid.uuid4().hex[:12]}"
    with new_database("postgres") as url:
        try:
            execute(url, f"CREATE ROLE {login} LOGIN; CREATE SCHEMA claims AUTHORIZATION {login}")
            mine = make_url(url).set(username=login)
            with Database(mine, schema="claims") as database:
                upgrade(database)
                assert standing(database).tables == "current"
            with Database(mine, schema="others") as database, pytest.raises(StorageError):
                upgrade(database)
        finally:
            execute(url, f"DROP OWNED BY {login}; DROP ROLE {login}")


RETENTION = """\
retention: claims
version: "1"
owner: privacy@example.com
keep: {checkpoints: 30d, inputs: 30d, approvals: 30d, deliveries: 30d, effects: 30d}
"""


def test_the_command_line_works_in_the_configured_schema(tmp_path: Path) -> None:
    (tmp_path / "retention.yaml").write_text(RETENTION)
    with new_database("postgres") as url:
        here = {"GUARDKIT_DATABASE": url, "GUARDKIT_DATABASE_SCHEMA": "claims", "COLUMNS": "200"}

        def typed(*words: str, environment: Mapping[str, str] = here) -> str:
            ran = CliRunner().invoke(app, list(words), env=dict(environment))
            assert ran.exit_code == 0, (words, ran.output, ran.exception)
            return ran.output

        typed("db", "upgrade")
        with Database(url, schema="claims") as database:
            samples.opened(SQLStore(database), "t-1")
            assert "heard at" in try_news(database)
        assert "schema claims" in typed("db", "status")
        assert "bad" not in typed("db", "check")
        assert "gk_threads" in typed("db", "size")
        assert "t-1" in typed("db", "threads")
        assert "t-1" in typed("threads", "list")
        typed("db", "prune", str(tmp_path / "retention.yaml"), "--dry-run")
        assert '"claims".gk_audit' in typed("db", "roles", "--row-level-security")
        assert '"other".gk_audit' in typed("db", "roles", "--schema", "other")
        with SqliteSaver.from_conn_string(str(tmp_path / "theirs.sqlite")) as theirs:
            place: RunnableConfig = {"configurable": {"thread_id": "t-9", "checkpoint_ns": ""}}
            theirs.put(place, empty_checkpoint(), {}, {})
        assert "imported t-9" in typed("db", "import", "--from", f"sqlite:///{tmp_path / 'theirs.sqlite'}")
        typed("anomalies", "list")
        assert standing(url).tables == "missing", "nothing is outside of the schema"
