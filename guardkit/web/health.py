"""What probes ask: whether the process answers, and whether it can do its work.

Answers are one word for whoever asks. Why a process is not ready is in its log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from guardkit.runtime.looking import Readiness


@dataclass(frozen=True, slots=True)
class Health:
    """The endpoints of probes."""

    readiness: Readiness

    def routes(self) -> Sequence[Route]:
        """`/healthz` and `/readyz`."""
        return (
            Route("/healthz", self._live, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
        )

    def _live(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    def _ready(self, request: Request) -> Response:
        return PlainTextResponse("ok") if self.readiness() else PlainTextResponse("not ready", 503)
