"""The processes around an agent: worker and inbox."""

import asyncio
import contextlib
import signal
import socket
import sys
from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import err, load
from guardkit.core.people import Person
from guardkit.errors import ConfigurationError, InputError, MissingKeyError


def worker(
    spec: Annotated[str, typer.Argument(metavar="MODULE:GRAPH", help="The guarded graph, or its Guard.")],
) -> None:
    """Deliver, expire and resume, until interrupted."""
    guard, graphs = load(spec)
    names = ", ".join(graph.runs.services.agent for graph in graphs)
    err.print(f"worker for {escape(names)}; stop with Ctrl-C")

    async def work() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        await guard.worker(*graphs).run(ended)

    asyncio.run(work())


def serve(
    spec: Annotated[str, typer.Argument(metavar="MODULE:GRAPH", help="The guarded graph, or its Guard.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8321,
    link_for: Annotated[
        str,
        typer.Option("--link-for", help="Print a one-time sign-in link for this person of the directory."),
    ] = "",
) -> None:
    """Serve the approval inbox on loopback. To serve others, mount `guard.app(settings=…, sign_in=…)` yourself."""
    guard, _ = load(spec)
    try:
        import uvicorn  # noqa: PLC0415  # an optional extra

        from guardkit.web import OneTimeLink, WebSettings  # noqa: PLC0415  # an optional extra
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
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, ws="none"
        )
    )
    with _listening(port) as listening:
        err.print(f"inbox at {web.origin}; stop with Ctrl-C")
        if link_for:
            sys.stdout.write(door.link_for(link_for) + "\n")
            sys.stdout.flush()
        else:
            err.print("nobody can sign in without a link; --link-for NAME prints one")
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


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
