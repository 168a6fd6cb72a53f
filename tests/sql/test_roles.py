"""Two roles on PostgreSQL: each can do its work, and the server refuses the rest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, func, make_url, select, text, update
from sqlalchemy.exc import ProgrammingError

from guardkit import Finished, Guard, GuardedGraph, Principal
from guardkit.core.approvals import ApprovalState
from guardkit.core.audit import AuditEvent
from guardkit.core.effects import Claimed
from guardkit.core.encryption import Encryption
from guardkit.core.values import JsonObject
from guardkit.errors import AuditError, ConfigurationError, InputError, StorageError
from guardkit.sql import (
    Database,
    SQLAlchemySaver,
    SQLErasure,
    SQLStore,
    roles_script,
    row_level_security_script,
    upgrade,
)
from guardkit.sql.side_tables import metadata
from guardkit.sql.tables import audit
from guardkit.testing import calls
from guardkit.testing.contracts import StoreContract, samples, standing
from tests.conftest import new_database
from tests.promises.scene import (
    ASK,
    Scene,
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

pytestmark = pytest.mark.postgres
KIM = Principal(id="kim")
PAY = {"claim": "C-1", "amount": 48}
OTHER = {"claim": "C-2", "amount": 48}
THIRD = {"claim": "C-3", "amount": 48}


@dataclass(frozen=True, slots=True)
class Roles:
    """One database, as its owner and as two logins see it."""

    owner: str
    agent: str
    service: str
    agent_role: str
    service_role: str


def execute(url: str, script: str) -> None:
    """Run a script as whoever a URL names."""
    with psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(False), autocommit=True
    ) as to:
        to.execute(script.encode())


@pytest.fixture
def roles() -> Iterator[Roles]:
    """A database with both roles, which are dropped with it. Their names need quotes."""
    unique = uuid.uuid4().hex[:12]
    names = [f'gk "{kind}" of {unique}' for kind in ("agent", "service")]
    logins = [f"gk_{kind}_{unique}" for kind in ("agent", "service")]
    with new_database("postgres") as owner:
        upgrade(owner)
        script = roles_script(agent=names[0], service=names[1])
        try:
            execute(owner, script)
            execute(owner, script)
            for login, name in zip(logins, names, strict=True):
                quoted = name.replace('"', '""')
                execute(owner, f'CREATE ROLE {login} LOGIN IN ROLE "{quoted}"')
            urls = [make_url(owner).set(username=login).render_as_string(False) for login in logins]
            yield Roles(owner, *urls, *names)
        finally:
            for login in logins:
                execute(owner, f"DROP ROLE IF EXISTS {login}")
            for name in names:
                quoted = name.replace('"', '""')
                execute(owner, f'DROP OWNED BY "{quoted}"; DROP ROLE "{quoted}"')


@pytest.mark.again
class TestService(StoreContract):
    """Whatever a store can do, workers and web processes can do."""

    @pytest.fixture
    def store(self, roles: Roles) -> Iterator[SQLStore]:
        with Database(roles.service) as database:
            yield SQLStore(database)


def test_an_agent_asks_and_claims_on_an_encrypted_database_and_neither_decides_nor_erases(
    roles: Roles,
) -> None:
    encryption = Encryption.generate()
    with (
        Database(roles.agent, encryption=encryption) as agent,
        Database(roles.service, encryption=encryption) as service,
    ):
        mine, others = SQLStore(agent), SQLStore(service)
        run = samples.opened(mine).run
        [asked] = mine.register(run, [samples.request(run)], [samples.EVENT])
        with pytest.raises(StorageError):
            mine.settle(samples.said(mine, asked), asked.version, [])
        approval = samples.approved(others, asked)
        done = mine.claim(
            run,
            key="k",
            tool="pay_claim",
            digest=approval.digest,
            action_id=asked.request.action.id,
            approval=approval,
            events=[samples.EVENT],
        )
        assert isinstance(done, Claimed)
        announced = AuditEvent(kind="person.erased", data={"values": 9})
        with pytest.raises(AuditError):
            mine.append("default", [announced])
        mine.close_run(run, samples.closing("failed"), [])
        others.append("default", [AuditEvent(kind="stop.set", data={"by": "ada"})])
        for database in (agent, service):
            with pytest.raises(StorageError):
                SQLErasure(database).erase("default", ["ada"], by="dpo", why="x")
            with pytest.raises(StorageError), database.writing() as connection:
                connection.execute(update(audit).values(salts=None))


def test_an_agent_asks_waits_and_pays_and_the_others_deliver_decide_and_resume(roles: Roles) -> None:
    agents = Scene(roles.agent)
    services = Scene(roles.service, keys=agents.keys, people=agents.people)
    try:
        paid: list[JsonObject] = []
        guards = {
            name: scene.guard({"pay": ASK}) for name, scene in (("agent", agents), ("service", services))
        }
        said = [calls(("pay", PAY)), "Done.", calls(("pay", THIRD)), calls(("pay", OTHER)), "Done."]
        graphs: dict[str, GuardedGraph] = {}
        for name, guard in guards.items():
            tool = payer(guard, paid, key=lambda args: args.claim)
            graphs[name] = guard.compile(react(said, [tool]), name="claims")
        first = guards["agent"].config("t-1", KIM)
        run(graphs["agent"], ask(), first)
        work(guards["service"])
        assert services.channel.sent, "workers deliver"
        decide(guards["service"], approvals(guards["service"], ApprovalState.PENDING)[0])
        go_on(graphs["agent"], first)
        assert isinstance(guards["agent"].outcome(None, first), Finished)
        assert paid == [PAY]

        # New input cancels what was asked; the worker goes on with what an agent has begun.
        run(graphs["agent"], ask(), first)
        run(graphs["agent"], ask(), first)
        decide(guards["service"], approvals(guards["service"], ApprovalState.PENDING)[0])
        work(guards["service"], rounds=2)
        assert isinstance(guards["agent"].outcome(None, first), Finished)
        assert paid == [PAY, OTHER]
        assert [one.state for one in approvals(guards["service"])] == [
            ApprovalState.CONSUMED,
            ApprovalState.CANCELLED,
            ApprovalState.CONSUMED,
        ]
        saver = SQLAlchemySaver(guards["agent"].database)
        saver.prune(["t-1"])
        saver.delete_thread("t-1")
    finally:
        agents.close()
        services.close()


FORGED = """
    INSERT INTO gk_approvals
    SELECT 'forged', tenant, thread_id, turn, 'approved', version, request, args, digest, decisions, requested_at,
        expires_at, on_expiry, settled_at FROM gk_approvals
"""
FORGED_STANDING = """
    INSERT INTO gk_standing
    SELECT 'forged', tenant, approval_id, thread_id, who, given, uses, 0, at_most, '0', given_at, until, NULL, NULL
    FROM gk_standing
"""
FORBIDDEN = [
    'UPDATE gk_approvals SET decisions = \'{"v": 1, "value": [1]}\'',
    "UPDATE gk_approvals SET state = 'approved', version = version + 1",
    "UPDATE gk_approvals SET state = 'consumed', version = version + 1",
    "UPDATE gk_approvals SET request = '{}'",
    "UPDATE gk_approvals SET args = '{}'",
    "UPDATE gk_approvals SET digest = 'other'",
    "DELETE FROM gk_approvals",
    FORGED,
    "UPDATE gk_audit SET data = '{}'",
    "DELETE FROM gk_audit",
    "TRUNCATE gk_audit",
    "INSERT INTO gk_audit VALUES ('acme', 99, 1, 'approval.decided', 't', 1, '{}', 'x', 'y')",
    "INSERT INTO gk_audit VALUES ('acme', 99, 1, 'stop.lifted', 't', 1, '{}', 'x', 'y')",
    "UPDATE gk_audit_heads SET seq = 1, hash = 'other'",
    "UPDATE gk_audit_heads SET seq = 0",
    "UPDATE gk_audit_heads SET tenant = 'other'",
    "INSERT INTO gk_audit_heads VALUES ('other', 7, 'x')",
    "DELETE FROM gk_audit_heads",
    "UPDATE gk_effects SET state = 'not_done'",
    "DELETE FROM gk_effects",
    "DELETE FROM gk_threads",
    "UPDATE gk_turns SET principal = 'other'",
    "DELETE FROM gk_turns",
    "UPDATE gk_deliveries SET channel = 'other'",
    "DELETE FROM gk_deliveries",
    "INSERT INTO gk_stops VALUES ('s', 'everything', NULL, NULL, 'me', 'no', 1, NULL, NULL, NULL)",
    "UPDATE gk_stops SET lifted_at = 1",
    "DELETE FROM gk_stops",
    "SELECT * FROM gk_posts",
    "SELECT * FROM gk_contacts",
    "SELECT * FROM gk_taken",
    "SELECT * FROM gk_api_tokens",
    "SELECT * FROM gk_api_replies",
    "SELECT * FROM gk_watch_counts",
    "UPDATE gk_anomalies SET stands_until = 0",
    "UPDATE gk_standing SET given = '{}'",
    "UPDATE gk_standing SET uses = 99",
    "UPDATE gk_standing SET at_most = '1000000'",
    "UPDATE gk_standing SET until = until * 2",
    "UPDATE gk_standing SET revoked_at = NULL",
    "UPDATE gk_standing SET used = 0",
    "UPDATE gk_standing SET used = used + 2",
    "UPDATE gk_standing SET used = used + 1, spent = '0'",
    "UPDATE gk_standing SET used = used + 1, spent = '300.5'",
    "UPDATE gk_standing SET spent = '0'",
    "DELETE FROM gk_standing",
    FORGED_STANDING,
    "INSERT INTO gk_audit VALUES ('acme', 99, 1, 'standing.given', 't', 1, '{}', 'x', 'y')",
    "UPDATE gk_alembic_version SET version_num = '0001'",
    "DROP TRIGGER gk_agents ON gk_approvals",
    "ALTER TABLE gk_approvals DISABLE TRIGGER ALL",
    "CREATE TRIGGER x BEFORE INSERT ON gk_audit FOR EACH ROW EXECUTE FUNCTION gk_agents_audit()",
]
NOT_OF_SERVICES = [
    "UPDATE gk_standing SET used = 0",
    "UPDATE gk_standing SET uses = 99",
    "DELETE FROM gk_standing",
    "UPDATE gk_audit SET data = '{}'",
    "DELETE FROM gk_audit",
    "UPDATE gk_audit_heads SET seq = 0",
    "DELETE FROM gk_audit_heads",
    "DELETE FROM gk_effects",
    "DELETE FROM gk_approvals",
    "DELETE FROM gk_stops",
]


def test_the_server_refuses_the_rest(roles: Roles) -> None:
    with Database(roles.owner) as database:
        store = SQLStore(database)
        (asked,) = samples.paused(store, "t-1")
        approved = samples.approved(store, asked)
        run_again = samples.opened(store, "t-2").run
        store.claim(
            run_again,
            key="k",
            tool="pay",
            digest="d" * 64,
            action_id="a",
            approval=None,
            events=[samples.EVENT],
        )
        assert approved.state is ApprovalState.APPROVED
        standing.claim(store, run_again, standing.given(store, "t-3"), "s")
    execute(roles.owner, "UPDATE gk_effects SET state = 'done'")
    # Consuming one that people have not decided, and deciding one that is pending.
    execute(roles.owner, "UPDATE gk_approvals SET state = 'pending'")
    for url, statements in ((roles.agent, FORBIDDEN), (roles.service, NOT_OF_SERVICES)):
        engine = create_engine(url)
        for statement in statements:
            with pytest.raises(ProgrammingError) as refused, engine.begin() as connection:
                connection.execute(text(statement))
            why = refused.value.orig
            assert isinstance(why, psycopg.errors.InsufficientPrivilege), (statement, why)
            assert "permission denied" in str(why) or "must be owner" in str(why), (statement, why)
        engine.dispose()


def test_every_table_is_given_to_the_service_and_looked_at_for_the_agent(roles: Roles) -> None:
    engine = create_engine(roles.owner)
    script = roles_script()
    with engine.connect() as connection:
        for name in metadata.tables:
            given = connection.execute(
                text("SELECT has_table_privilege(:role, :name, 'SELECT')"),
                {"role": roles.service_role, "name": name},
            ).scalar_one()
            assert given, f"{name} is not in the script of roles"
            assert script.count(f'"public".{name}') > 1
    engine.dispose()


def counted(engine: Engine, tenant: str | None) -> dict[str, int]:
    """How many rows of each table with a tenant somebody sees who names a tenant."""
    with engine.begin() as connection:
        if tenant is not None:
            connection.execute(
                text("SELECT set_config('guardkit.tenant', :tenant, true)"), {"tenant": tenant}
            )
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
            if "tenant" in table.c
            and connection.execute(
                text("SELECT has_table_privilege(:name, 'SELECT')"), {"name": name}
            ).scalar_one()
        }


def test_with_row_level_security_an_agent_sees_its_own_tenant_only(roles: Roles) -> None:
    script = row_level_security_script(agent=roles.agent_role, service=roles.service_role)
    execute(roles.owner, script)
    execute(roles.owner, script)
    engine = create_engine(roles.owner)
    with engine.connect() as connection:
        policies = connection.execute(text("SELECT tablename FROM pg_policies WHERE 'gk_own' = policyname"))
        assert set(policies.scalars()) == {
            name for name, table in metadata.tables.items() if "tenant" in table.c
        }
    engine.dispose()

    paid: list[JsonObject] = []
    services = Scene(roles.service)
    with Database(roles.agent, tenant="default") as database:
        guards = [
            Guard(
                there,
                policy=policy_of({"pay": ASK}, people=services.people),
                keys=services.keys,
                directory=services.people,
                channels={"desk": services.channel},
            )
            for there in (database, Database(roles.service))
        ]
        agent, service = guards
        tool = payer(agent, paid, key=lambda args: args.claim)
        graph = agent.compile(react([calls(("pay", PAY)), "Done."], [tool]), name="claims")
        first = agent.config("t-1", KIM)
        run(graph, ask(), first)
        decide(service, approvals(service, ApprovalState.PENDING)[0])
        go_on(graph, first)
        assert isinstance(agent.outcome(None, first), Finished)
        assert paid == [PAY]
        service.database.close()

    engine = create_engine(roles.agent)
    own, nameless, others = (counted(engine, tenant) for tenant in ("default", None, "acme"))
    assert own["gk_threads"] == own["gk_approvals"] == own["gk_effects"] == 1
    assert min(own["gk_audit"], own["gk_checkpoints"], own["gk_turns"]) > 0
    assert not any(nameless.values())
    assert not any(others.values())
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('guardkit.tenant', 'acme', true)"))
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(text("INSERT INTO gk_audit_heads VALUES ('default', 0, 'x')"))
    engine.dispose()
    with Database(roles.agent) as database, pytest.raises(StorageError):
        samples.opened(SQLStore(database), "t-2")


def test_only_postgresql_is_told_a_tenant(sqlite_url: str) -> None:
    with pytest.raises(ConfigurationError, match="row-level security"):
        Database(sqlite_url, tenant="acme")


def test_names_are_quoted_or_refused() -> None:
    script = roles_script(schema='my "schema"', agent="it's", service="back\\slash")
    assert '"my ""schema""".gk_audit' in script
    assert "rolname = 'it''s'" in script
    assert "rolname = E'back\\\\slash'" in script
    assert "{" not in script.replace("'{", "").replace("{}", "")
    for wrong in ("", "x" * 64, "a\nb", "a\x00b", "a$guardkit$b"):
        with pytest.raises(InputError, match="agent"):
            roles_script(agent=wrong)
    with pytest.raises(InputError, match="both"):
        roles_script(agent="same", service="same")
