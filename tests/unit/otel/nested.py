"""A program: a guarded run in which somebody else may trace LangChain too. Prints its spans as a tree."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from opentelemetry.trace import StatusCode

from guardkit.testing import ScriptedModel, calls
from tests.unit.otel.scene import ASK, KIM, Seen, a_check, agent
from tests.unit.otel.tree import tree


def main(who: str, mode: str, folder: Path) -> None:
    seen = Seen()
    model = ScriptedModel(calls(("look_up", {"topic": "argument-secret"})), "answer-secret")
    guard, graph, _ = agent(
        folder, seen.telemetry, model, [("tidy", a_check)], observation_checks=(), assessors=()
    )
    # After the graph is compiled: compiling tries a canary, which is traced like any run.
    match who:
        case "openinference":
            from openinference.instrumentation.langchain import LangChainInstrumentor

            LangChainInstrumentor().instrument(tracer_provider=seen.tracers)
        case "official":
            from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

            LangChainInstrumentor().instrument(tracer_provider=seen.tracers)
        case _:
            pass
    config = guard.config("conversation-1", KIM)
    with seen.tracers.get_tracer("app").start_as_current_span("app"):
        if mode == "async":
            asyncio.run(graph.ainvoke(ASK, config))
        else:
            graph.invoke(ASK, config)
    errors = [span.name for span in seen.spans if span.status.status_code is StatusCode.ERROR]
    print(
        json.dumps({"tree": tree(seen.spans), "faults": guard.telemetry_faults, "errors": errors}), flush=True
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
