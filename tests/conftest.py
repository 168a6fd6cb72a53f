"""What every test shares: databases, a browser, the size of the chaos campaigns, and the rules of the suite."""

from __future__ import annotations

import ipaddress
import logging
import os
import shutil
import sys
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import hypothesis
import pytest
from sqlalchemy import create_engine, make_url, text

from guardkit.logs import JsonLines, TextLines

pytest_plugins = ("tests.promises.fixtures", "tests.scan")

PROMISES = frozenset(f"P{number}" for number in range(1, 16))

# `--hypothesis-profile=thorough` overrides the choice below.
hypothesis.settings.register_profile(
    "quick",
    max_examples=60,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "thorough",
    max_examples=2000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("quick")

# A tracing variable in a developer's shell must not send the runs of the tests anywhere.
for variable in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ.pop(variable, None)

# rich takes the width when a console is made, and workers of pytest-xdist are told 80 columns.
os.environ["COLUMNS"] = "200"


def _stay_on_loopback(event: str, args: tuple[Any, ...]) -> None:
    """Refuses every connection of the test process that leaves this machine."""
    if event != "socket.connect" or not isinstance(args[1], tuple):
        return
    host = args[1][0]
    try:
        inside = ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        inside = host in ("", "localhost")
    if not inside:
        raise PermissionError(f"a test tried to connect to {host!r}; tests talk to loopback only")


sys.addaudithook(_stay_on_loopback)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("guardkit")
    group.addoption(
        "--chaos",
        choices=("off", "sample", "full"),
        default="sample",
        help="how much of each chaos campaign is run: nothing, a seeded sample, or the whole",
    )
    group.addoption("--chaos-seed", type=int, default=20261124, help="the seed of the chaos campaigns")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    off = config.getoption("--chaos") == "off"
    if config.getoption("--chaos") != "full":
        again = {item for item in items if item.get_closest_marker("again") is not None}
        left = {item for item in again if not _is_sampled(item)}
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]
    for item in items:
        if off and item.get_closest_marker("chaos") is not None:
            item.add_marker(pytest.mark.skip(reason="campaigns run with --chaos=sample or --chaos=full"))
        for mark in item.iter_markers("promise"):
            unknown = [number for number in mark.args if number not in PROMISES]
            if unknown or not mark.args:
                raise pytest.UsageError(f"{item.nodeid}: promise{mark.args!r} must name P1 to P15")


def _is_sampled(item: pytest.Item) -> bool:
    """Whether a test that repeats others another way belongs to the third of them that is always run."""
    seed = item.config.getoption("--chaos-seed")
    return zlib.crc32(f"{seed}:{item.nodeid}".encode()) % 3 == 0


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Put back how the process logs, and refuse a test that switches loggers off: later ones look for their words."""
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if not isinstance(one.formatter, JsonLines | TextLines)]
    logging.captureWarnings(False)
    loggers = [logging.getLogger(name) for name in ("guardkit", "guardkit.web", "guardkit.worker")]
    off = [logger.name for logger in loggers if logger.disabled]
    for logger in loggers:
        logger.disabled = False
    if off:
        pytest.fail(f"{item.nodeid} has switched off the loggers {', '.join(off)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """The size of a chaos campaign.

    Attributes:
        seed: where its random numbers start; the same seed makes the same faults.
        trials: randomised trials of answers that come late, early, twice or out of order, on SQLite.
        trials_on_servers: the same on each of PostgreSQL and MariaDB.
        outages: trials in which connections are cut and the server crashes, on each of PostgreSQL and MariaDB.
        kills: processes that are killed while a run is under way.
        tamperings: changes to the rows of an audit chain.
        payloads: almost right payloads that come to each address that strangers reach.
        full: whether results are to be kept in `benchmarks/results/`.
    """

    seed: int
    trials: int
    trials_on_servers: int
    outages: int
    kills: int
    tamperings: int
    payloads: int
    full: bool


@pytest.fixture(scope="session")
def campaign(pytestconfig: pytest.Config) -> Campaign:
    """How much chaos this run asks for (`--chaos`, `--chaos-seed`)."""
    full = pytestconfig.getoption("--chaos") == "full"
    return Campaign(
        seed=int(str(pytestconfig.getoption("--chaos-seed"))),
        trials=500 if full else 100,
        trials_on_servers=500 if full else 8,
        outages=100 if full else 2,
        kills=500 if full else 30,
        tamperings=50_000 if full else 1_000,
        payloads=10_000 if full else 60,
        full=full,
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """LangGraph runs on asyncio only."""
    return "asyncio"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a new SQLite database file."""
    return f"sqlite:///{tmp_path / 'guardkit.db'}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The URL of a new PostgreSQL database, dropped afterwards."""
    with new_database("postgres") as url:
        yield url


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """The URL of a new MariaDB database, dropped afterwards."""
    with new_database("mariadb") as url:
        yield url


_SERVERS = {
    "postgres": ("GUARDKIT_TEST_POSTGRES", "DROP DATABASE {name} WITH (FORCE)"),
    "mariadb": ("GUARDKIT_TEST_MARIADB", "DROP DATABASE {name}"),
}


@contextmanager
def new_database(kind: Literal["postgres", "mariadb"]) -> Iterator[str]:
    """A new database of a server, dropped afterwards; skips or fails the test where there is no server."""
    variable, drop = _SERVERS[kind]
    server = os.environ.get(variable)
    if not server:
        _missing(f"{variable} is not set: no server to test with", required="GUARDKIT_REQUIRE_DATABASES")
    name = f"guardkit_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            with engine.connect() as connection:
                connection.execute(text(drop.format(name=name)))
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that can be run headless."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        _missing("no Chromium on this machine", required="GUARDKIT_REQUIRE_BROWSER")
    if shutil.which("chromedriver") is None:
        _missing("no chromedriver on this machine", required="GUARDKIT_REQUIRE_BROWSER")
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of Prometheus's `promtool`."""
    found = shutil.which("promtool")
    if found is None:
        _missing("no promtool on this machine", required="GUARDKIT_REQUIRE_PROMTOOL")
    return found


def pgbouncer() -> str:
    """The path of PgBouncer."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        _missing("no PgBouncer on this machine", required="GUARDKIT_REQUIRE_PGBOUNCER")
    return found


def installed(program: str) -> str:
    """The path of a program of PostgreSQL or MariaDB."""
    found = shutil.which(program)
    if found is None:
        _missing(f"no {program} on this machine", required="GUARDKIT_REQUIRE_DATABASES")
    return found


def _missing(what: str, *, required: str) -> NoReturn:
    """Skips the test, or fails it where the variable `required` says that nothing may be left out."""
    if os.environ.get(required) == "1":
        pytest.fail(f"{what}, and {required}=1 forbids to skip", pytrace=False)
    pytest.skip(what)
