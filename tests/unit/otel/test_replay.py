"""`guardkit trace --otlp`: a thread that nobody traced then, as the spans that it would have been."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from guardkit.core import telemetry_names as names
from guardkit.core.runs import StopOrder, Turn
from guardkit.core.telemetry_attributes import ATTRIBUTES
from guardkit.core.telemetry_schema import EVENTS, SPANS
from guardkit.errors import ConfigurationError, ExportError
from guardkit.otel.replay import send
from guardkit.otel.retelling import retell
from guardkit.otel.retold import Retold
from guardkit.sql import SQLStore
from tests.unit.otel.receiver import receiving
from tests.unit.otel.scene import (
    ASK,
    KIM,
    SECRETS,
    a_broken_check,
    a_check,
    agent,
    script,
    synchronously,
    whole_run,
)
from tests.unit.otel.test_processes import GOLDEN, drawn

THREAD = "conversation-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database with a thread in it that nobody traced."""
    guard, graph, sent = agent(
        tmp_path, None, script(), [("tidy", a_check)], observation_checks=(), assessors=()
    )
    whole_run(guard, graph, synchronously)
    assert sent
    guard.database.close()
    return tmp_path


def told(store: SQLStore, thread: str = THREAD) -> list[Retold]:
    turns: list[Turn] = []
    while (turn := store.turn("default", thread, len(turns) + 1)) is not None:
        turns.append(turn)
    return retell(turns, store.history("default", thread), store.listed(thread_id=thread))


def guardkit(folder: Path, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys\n{code}\nfrom guardkit.cli import main\nsys.argv[0] = 'guardkit'\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, "trace", THREAD, *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "GUARDKIT_DATABASE": "sqlite:///guardkit.db"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def golden() -> str:
    """The tree of the live run, without what is not guardkit's: the span of a web server, and which process it was."""
    text = GOLDEN.read_text(encoding="utf-8")
    without = re.sub(r"^POST .*\n  (?=decide)", "", text, flags=re.MULTILINE)
    return re.sub(r", (agent|inbox|worker)\)", ", guardkit)", without)


def test_a_past_thread_gives_the_documented_tree_and_the_same_ids_each_time(folder: Path) -> None:
    with receiving() as receiver:
        first = guardkit(folder, "--otlp", "--endpoint", receiver.endpoint)
        assert (first.returncode, first.stdout) == (0, "")
        once = receiver.spans()
        assert first.stderr == f"sent {len(once)} spans\n"
        again = guardkit(folder, "--otlp", "--endpoint", f"{receiver.endpoint}/v1/traces")
        assert again.returncode == 0
        twice = receiver.spans()[len(once) :]
        sent = b"".join(receiver.bodies)
    assert drawn(once) == golden()
    assert [span.SerializeToString() for _, span in once] == [span.SerializeToString() for _, span in twice]
    assert len({span.span_id for _, span in once}) == len(once)
    assert [secret for secret in SECRETS if secret.encode() in sent] == []


def test_times_are_those_at_which_it_happened(folder: Path) -> None:
    store = SQLStore(f"sqlite:///{folder / 'guardkit.db'}")
    entries = store.history("default", THREAD)
    with receiving() as receiver:
        assert send(told(store), receiver.endpoint) == len(receiver.spans())
        spans = {span.name: span for _, span in receiver.spans()}
    at = {entry.event.kind: round(entry.at * 1_000_000) * 1000 for entry in entries}
    effect, decided = spans["perform_effect send_mail"], spans["decide_approval send_mail"]
    assert (effect.start_time_unix_nano, effect.end_time_unix_nano) == (
        at["effect.claimed"],
        at["effect.recorded"],
    )
    assert decided.start_time_unix_nano == at["approval.decided"]
    runs = [entry.at for entry in entries if entry.event.kind in ("run.started", "run.ended")]
    assert spans["run_turn clerk"].end_time_unix_nano == round(runs[-1] * 1_000_000) * 1000
    store.database.close()


def test_what_is_sent_is_of_the_schema(folder: Path) -> None:
    """All that a live run shows, but for the node, which the database does not keep, and an effect's attempt."""
    guard, graph, _ = agent(folder, None, script(), [("broken", a_broken_check)])
    guard.store.set_stop(
        StopOrder(id="drill", scope="agent", tenant="default", target="clerk", by="me", why="", at=0)
    )
    graph.invoke(ASK, guard.config("stopped", KIM))
    guard.store.lift_stop("drill", by="me", why="")
    graph.invoke(ASK, guard.config("broken", KIM))
    store = SQLStore(guard.database)
    spans = [span for thread in (THREAD, "stopped", "broken") for span in told(store, thread)]
    guard.database.close()
    failed = [span for span in spans if span.failed]
    assert {span.name for span in failed} == {"apply_guardrail broken"}
    assert {span.attributes[names.ERROR_TYPE] for span in failed} == {"RuntimeError"}
    assert {span.attributes[names.CONVERSATION] for span in spans} == {THREAD, "stopped", "broken"}
    ended = next(span for span in spans if span.attributes.get(names.RESULT) == "no_result")
    assert {name for name, _, _ in ended.events} == {names.TURN_ENDED, names.EMERGENCY_STOP}
    for span in spans:
        shape = SPANS[span.name.partition(" ")[0]]
        shown = {names.SPAN_KIND, *span.attributes}
        assert set(shape.always) - shown <= {names.NODE}, span.name
        assert shown <= {*shape.always, *shape.sometimes}, span.name
        assert (span.kind, span.link is not None) == (shape.kind, shape.linked)
        for name, value in span.attributes.items():
            values = ATTRIBUTES[name].values
            assert not values or value in values, (name, value)
        for name, _, attributes in span.events:
            assert set(EVENTS[name].always) - set(attributes) <= {names.EFFECT_ATTEMPT}, name
            assert set(attributes) <= set(EVENTS[name].always), name


def test_a_run_whose_process_died_is_told_as_far_as_it_came(folder: Path) -> None:
    store = SQLStore(f"sqlite:///{folder / 'guardkit.db'}")
    turn = store.turn("default", THREAD)
    entries = [one for one in store.history("default", THREAD) if one.event.kind != "run.ended"]
    assert turn is not None
    runs = [one for one in retell([turn], entries, store.listed(thread_id=THREAD)) if one.parent is None]
    store.database.close()
    ran = [one for one in runs if one.name == "run_turn clerk"]
    assert [names.RUN_STATUS in one.attributes for one in ran] == [False, False]
    assert all(one.end > one.start for one in ran)


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[str]:
    """A collector that answers one way."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def partly() -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "too old"
    return answer.SerializeToString()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, b"", "HTTP 400 Bad Request"),
        (401, b"", "HTTP 401"),
        (200, partly(), "it rejected 2 spans: too old"),
    ],
    ids=["refused", "unauthorised", "partly"],
)
def test_a_collector_that_refuses_is_told(
    folder: Path, status: int, body: bytes, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = SQLStore(f"sqlite:///{folder / 'guardkit.db'}")
    spans = told(store)
    store.database.close()
    with answering(status, body) as endpoint, pytest.raises(ExportError, match=says):
        send(spans, endpoint)
    assert caplog.record_tuples == [], "it is told once, by the error"
    assert logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").propagate


def test_a_refusal_is_a_line_and_exit_status_2(folder: Path) -> None:
    with answering(403) as endpoint:
        refused = guardkit(folder, "--otlp", "--endpoint", endpoint)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("export the collector did not take all of 18 spans: HTTP 403")
    assert refused.stderr.count("\n") == 1


def test_a_collector_that_is_not_there_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    store = SQLStore(f"sqlite:///{folder / 'guardkit.db'}")
    spans = told(store)
    store.database.close()
    with pytest.raises(ExportError, match="the collector did not take all"):
        send(spans, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:4318", "ftp://there", "http://"])
def test_an_endpoint_that_is_no_url_is_told(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="is no URL of a collector"):
        send([], endpoint)


def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    without = guardkit(folder, "--otlp", code="sys.modules['opentelemetry.sdk'] = None")
    assert without.returncode == 2
    assert "pip install guardkit[otel]" in without.stderr


def test_an_endpoint_without_otlp_is_told(folder: Path) -> None:
    alone = guardkit(folder, "--endpoint", "http://127.0.0.1:4318")
    assert alone.returncode == 2
    assert "--endpoint goes with --otlp" in alone.stderr


def test_spans_are_told_apart_from_live_ones_by_their_scope(folder: Path) -> None:
    store = SQLStore(f"sqlite:///{folder / 'guardkit.db'}")
    with receiving() as receiver:
        send(told(store), receiver.endpoint)
        scopes = {
            scope.scope.name
            for request in receiver.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
        }
        kinds = {span.kind for _, span in receiver.spans()}
    store.database.close()
    assert scopes == {"guardkit.trace"}
    assert kinds == {Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER}
