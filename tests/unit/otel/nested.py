"""A program: a guarded run in which somebody else may trace LangChain too. Prints its spans as a tree."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

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
    ended = ExitStack()
    match who:
        case "openinference":
            from openinference.instrumentation.langchain import LangChainInstrumentor

            LangChainInstrumentor().instrument(tracer_provider=seen.tracers)
        case "official":
            from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

            LangChainInstrumentor().instrument(tracer_provider=seen.tracers)
        case "traceloop":
            from opentelemetry.instrumentation.langchain import LangchainInstrumentor

            LangchainInstrumentor().instrument(tracer_provider=seen.tracers)
        case "langsmith":
            from langsmith import Client
            from langsmith.run_helpers import tracing_context

            # Nothing is sent but spans, and these to where the others go.
            client = Client(
                "http://127.0.0.1:9",
                api_key="none",
                tracing_mode="otel",
                otel_tracer_provider=cast(Any, seen.tracers),
            )
            ended.callback(client.flush)
            ended.enter_context(tracing_context(enabled=True, client=client))
        case _:
            pass
    config = guard.config("conversation-1", KIM)
    with ended, seen.tracers.get_tracer("app").start_as_current_span("app"):
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
