"""The processes around an agent: worker and inbox."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from guardkit import logs
from guardkit.cli.agents import load
from guardkit.cli.remotes import remote_agents
from guardkit.cli.surroundings import (
    LogFormatOption,
    MetricsPort,
    ProbeHost,
    health,
    log,
    telemetry,
)
from guardkit.core.people import Person
from guardkit.core.settings import PRIVATE
from guardkit.errors import ConfigurationError, InputError, MissingKeyError
from guardkit.runtime.looking import Readiness
from guardkit.runtime.parts import Part, parts_of


def worker(
    spec: Annotated[str, typer.Argument(metavar="MODULE:GRAPH", help="The guarded graph, or its Guard.")],
    health_port: Annotated[
        int | None,
        typer.Option(
            "--health-port",
            envvar="GUARDKIT_HEALTH_PORT",
            min=1,
            max=65535,
            help="Serve /healthz and /readyz. May be the port of the metrics.",
        ),
    ] = None,
    remote: Annotated[
        list[str] | None,
        typer.Option(
            "--remote",
            metavar="AGENT=URL",
            help="An agent whose graph runs on a LangGraph server; may be given again for another.",
        ),
    ] = None,
    remote_token: Annotated[
        Path | None,
        typer.Option(
            "--remote-token-file",
            envvar="GUARDKIT_REMOTE_TOKEN_FILE",
            help="The token with which those servers let the worker in, as a bearer token.",
        ),
    ] = None,
    parts: Annotated[
        str,
        typer.Option(
            "--parts",
            envvar="GUARDKIT_WORKER_PARTS",
            help="What it does: runs, messages, answers, with commas between. Only answers needs the decision key.",
        ),
    ] = "runs,messages",
    metrics_port: MetricsPort = None,
    probe_host: ProbeHost = "127.0.0.1",
    stuck_after: Annotated[
        float,
        typer.Option(
            "--stuck-after",
            min=1,
            help="Seconds without a finished round after which /healthz says so; more than the longest run takes.",
        ),
    ] = 900,
    log_format: LogFormatOption = None,
) -> None:
    """Deliver, expire and resume, until interrupted."""
    logs.configure(log_format)
    does = parts_of([part.strip() for part in parts.split(",") if part.strip()])
    guard, graphs = load(spec)
    elsewhere = remote_agents(remote or [], remote_token)
    here = [graph for graph in graphs if graph.runs.services.agent not in elsewhere]
    if Part.RUNS not in does:
        if elsewhere:
            raise InputError("--remote names agents to go on with, and --parts has no runs")
        here = []
    elif here and not guard.database.is_sqlite:
        _warn_of_keys()
    working = guard.worker(*here, remote=elsewhere, parts=does)
    readiness = Readiness(guard.ready)
    answers = health(lambda: working.round_age < stuck_after, readiness)

    async def work() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            readiness.drain()
            ended.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        await working.run(ended)

    with telemetry(
        "guardkit-worker",
        guard,
        metrics_port=metrics_port,
        probe_host=probe_host,
        answers={} if health_port is None else {health_port: answers},
        round_age=lambda: working.round_age,
    ):
        names = [graph.runs.services.agent for graph in here] + sorted(elsewhere)
        runs = f" of {', '.join(names)}" if names else ""
        log.info("worker for %s%s; stop with Ctrl-C", ", ".join(part for part in Part if part in does), runs)
        asyncio.run(work())


def serve(
    spec: Annotated[str, typer.Argument(metavar="MODULE:GRAPH", help="The guarded graph, or its Guard.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8321,
    link_for: Annotated[
        str,
        typer.Option("--link-for", help="Print a one-time sign-in link for this person of the directory."),
    ] = "",
    drain: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds after SIGTERM in which it still answers, and says that it is not ready."
        ),
    ] = 0,
    metrics_port: MetricsPort = None,
    probe_host: ProbeHost = "127.0.0.1",
    log_format: LogFormatOption = None,
) -> None:
    """Serve the approval inbox on loopback. To serve others, mount `guard.app(settings=…, sign_in=…)` yourself."""
    logs.configure(log_format)
    guard, _ = load(spec)
    try:
        from guardkit.web import OneTimeLink, WebSettings  # noqa: PLC0415  # an optional extra
        from guardkit.web.serving import serve as run  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise ConfigurationError(
            "the inbox needs the extra 'web'", remedy="pip install guardkit[web]"
        ) from error
    secret = guard.keys.web_secret
    if secret is None:
        raise MissingKeyError(
            "web_secret is not configured", remedy="set GUARDKIT_WEB_SECRET; see guardkit keys new"
        )
    if link_for and not _may_enter(guard.directory.find(link_for)):
        raise InputError(
            f"--link-for {link_for!r} is nobody whom the policy's directory lists as active",
            remedy="add the person to the directory",
        )
    web = WebSettings(url=f"http://127.0.0.1:{port}", keys=(secret,))
    door = OneTimeLink(web)
    app = guard.app(settings=web, sign_in=door)
    with (
        _listening(port) as listening,
        telemetry("guardkit-serve", guard, metrics_port=metrics_port, probe_host=probe_host),
    ):
        log.info("inbox at %s; stop with Ctrl-C", web.origin)
        if link_for:
            sys.stdout.write(door.link_for(link_for) + "\n")
            sys.stdout.flush()
        else:
            log.info("nobody can sign in without a link; --link-for NAME prints one")
        run(app, listening, drain=drain)


def _warn_of_keys() -> None:
    """Say that tools could read what they must not have. On a machine of one's own all processes share it anyway."""
    for variable in PRIVATE:
        if os.environ.get(variable) or os.environ.get(f"{variable}_FILE"):
            log.warning(
                "%s is set where tools run: they could make up what people say; see Keys in the configuration reference",
                variable,
            )


def _may_enter(person: Person | None) -> bool:
    return person is not None and person.active


def _listening(port: int) -> socket.socket:
    """A socket on loopback, and on nothing else."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise ConfigurationError(
            f"port {port} on loopback cannot be used: {error.strerror}", remedy="choose another with --port"
        ) from error
