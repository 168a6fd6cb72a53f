"""A program: a process that calls `guardkit.otel.configure`, runs an agent once, and ends."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, cast

from opentelemetry import trace

from guardkit.errors import ConfigurationError
from guardkit.otel import OpenTelemetry, configure
from tests.unit.otel.scene import ASK, KIM, agent, script, synchronously


def main(folder: Path, words: list[str]) -> None:
    if "own" in words:
        from opentelemetry.sdk.trace import TracerProvider

        trace.set_tracer_provider(TracerProvider())
    if "without-grpc" in words:
        sys.modules["grpc"] = cast(Any, None)  # As Python says it of a module that is not to be had.
    own = trace.get_tracer_provider()
    try:
        exporting = configure("claims-agent", version="7", prometheus="prometheus" in words)
    except ConfigurationError as error:
        print(json.dumps({"refused": str(error)}))
        return
    guard, graph, _ = agent(folder, OpenTelemetry(), script())
    synchronously(graph, ASK, guard.config("conversation-1", KIM))
    guard.database.close()
    began = time.monotonic()
    closed = exporting.close(2.0) if "close" in words else None
    print(
        json.dumps(
            {
                "signals": exporting.signals,
                "kept": trace.get_tracer_provider() is own,
                "sdk": "guardkit.otel.providers" in sys.modules,
                "closed": closed,
                "seconds": time.monotonic() - began,
                "scraped": None if exporting.scrape is None else exporting.scrape().decode(),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
