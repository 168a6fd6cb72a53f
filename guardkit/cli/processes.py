"""The processes around an agent: worker and inbox."""

import asyncio
import signal
from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import err, load, out


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
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8700,
    host: Annotated[str, typer.Option(help="Others than loopback need keys and a sign-in.")] = "127.0.0.1",
    link_for: Annotated[
        str | None, typer.Option("--link-for", help="Print a one-time sign-in link for this person.")
    ] = None,
) -> None:
    """Serve the approval inbox."""
    guard, _ = load(spec)
    guard.serve(
        host=host, port=port, link_for=link_for, say=lambda line: out.print(escape(line), soft_wrap=True)
    )
