"""What is around a process that runs on: its log, its telemetry, and the ports that probes and scrapes ask."""

import contextlib
import ipaddress
import logging
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Annotated

import typer

from guardkit.errors import ConfigurationError
from guardkit.guard import Guard
from guardkit.otel import configure, observe
from guardkit.probes import BAD, OK, Probes, Told

log = logging.getLogger("guardkit")

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

LogFormatOption = Annotated[
    str | None,
    typer.Option(
        "--log-format",
        envvar="GUARDKIT_LOG_FORMAT",
        help="json or text; by default text on a terminal, JSON elsewhere.",
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        envvar="GUARDKIT_METRICS_PORT",
        min=1,
        max=65535,
        help="Serve metrics to Prometheus at /metrics.",
    ),
]
ProbeHost = Annotated[
    str,
    typer.Option(
        "--probe-host",
        envvar="GUARDKIT_PROBE_HOST",
        help="The IP address that metrics and health are served on. Whoever reaches it can read them.",
    ),
]


@contextmanager
def telemetry(
    service: str,
    guard: Guard,
    *,
    metrics_port: int | None,
    probe_host: str,
    answers: Mapping[int, Mapping[str, Callable[[], Told]]] | None = None,
    round_age: Callable[[], float] | None = None,
) -> Generator[None]:
    """Telemetry as the environment asks for it, and the ports, while a process runs.

    Args:
        service: the process's name in telemetry, unless the environment has another.
        guard: whose telemetry and database it is.
        metrics_port: where metrics are served, if anywhere.
        probe_host: the IP address of all ports.
        answers: what else is served, by port and path.
        round_age: see `guardkit.otel.observe`.

    Raises:
        ConfigurationError: what the environment asks for is not known or not installed, or a port cannot be used.
    """
    try:
        ipaddress.ip_address(probe_host)
    except ValueError as error:
        raise ConfigurationError(
            f"--probe-host {probe_host!r} is not an IP address", remedy="e.g. 127.0.0.1 or 0.0.0.0"
        ) from error
    exporting = configure(service, version=version("guardkit"), prometheus=metrics_port is not None)
    by_port: dict[int, dict[str, Callable[[], Told]]] = defaultdict(dict)
    for port, told in (answers or {}).items():
        by_port[port].update(told)
    scrape = exporting.scrape
    if metrics_port is not None and scrape is not None:
        by_port[metrics_port]["/metrics"] = lambda: Told(body=scrape(), type=PROMETHEUS)
    observe(guard.store.backlog, agents=guard.graphs, round_age=round_age)
    if (exporting.signals or scrape is not None) and not guard.observed:
        log.warning("the guard has no telemetry: pass telemetry=OpenTelemetry(), or use Guard.from_env()")
    with ExitStack() as stack:
        stack.callback(_closed, exporting.close)
        for port, told in by_port.items():
            stack.enter_context(Probes(probe_host, port, told))
            log.info("%s on %s port %d", ", ".join(told), probe_host, port)
        yield


def health(live: Callable[[], bool], ready: Callable[[], bool]) -> Mapping[str, Callable[[], Told]]:
    """What probes are told of a process.

    Args:
        live: whether it still works; if not, it should be started again.
        ready: whether it can do its work now.
    """
    return {"/healthz": lambda: OK if live() else BAD, "/readyz": lambda: OK if ready() else BAD}


def _closed(close: Callable[[], bool]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        if not close():
            log.warning("not all telemetry went out in time")
