"""Probes, scrapes and logs of real processes, while their database goes away and they are told to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.operations.running import (
    Process,
    ask,
    asked,
    commanded,
    free_port,
    furnished,
    metrics,
    running,
    until,
    value,
)

PENDING = 'guardkit_approval_pending{gen_ai_agent_name="clerk"}'
AGE = 'guardkit_approval_pending_age_seconds{gen_ai_agent_name="clerk"}'


def records(process: Process) -> list[dict[str, Any]]:
    """What it has logged; every line is a record."""
    return [json.loads(line) for line in process.lines]


@pytest.mark.timeout(500)
def test_a_worker_is_probed_and_scraped_while_its_database_comes_and_goes(tmp_path: Path) -> None:
    environment = furnished(tmp_path)
    ask(tmp_path, environment)
    port = free_port()
    words = ("worker", "desk_app:graph", "--health-port", str(port), "--metrics-port", str(port))
    with running(tmp_path, environment, *words) as process:
        until(lambda: asked(port, "/readyz") == 200, "the worker to be ready")
        assert asked(port, "/healthz") == 200
        assert asked(port, "/") == 404
        until(lambda: value(metrics(port), PENDING) == 1, "the gauges")
        scraped = metrics(port)
        assert (value(scraped, AGE) or 0) > 0
        assert value(scraped, "guardkit_database_up") == 1
        assert value(scraped, "guardkit_worker_round_age_seconds") is not None
        assert 'service_name="guardkit-worker"' in scraped
        assert not [word for word in ("argument-secret", "prompt-secret", "dana", "kim") if word in scraped]

        (tmp_path / "guardkit.db").rename(tmp_path / "away.db")
        until(lambda: asked(port, "/readyz") == 503, "the worker to miss its database")
        assert asked(port, "/healthz") == 200, "another process would miss it too"
        body = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=10)
        assert body.text == "not ready", "no details for strangers"
        (tmp_path / "away.db").rename(tmp_path / "guardkit.db")
        until(lambda: asked(port, "/readyz") == 200, "the worker to find its database again")

        assert process.end() == 0
    logged = records(process)
    said = [one["message"] for one in logged if one["logger"] == "guardkit"]
    assert any(message.startswith("readiness: configuration: ") for message in said)
    assert "readiness: back" in said
    assert all({"time", "level", "logger", "message"} <= set(one) for one in logged)


@pytest.mark.timeout(500)
def test_a_worker_whose_loop_is_held_up_is_not_alive(tmp_path: Path) -> None:
    environment = furnished(tmp_path)
    ask(tmp_path, environment)
    port = free_port()
    words = ("worker", "desk_app:graph", "--health-port", str(port), "--stuck-after", "5")
    with running(tmp_path, environment, *words):
        until(lambda: asked(port, "/healthz") == 200, "the worker to live")
        (approval,) = json.loads(commanded(tmp_path, environment, "approvals", "list", "--json"))
        commanded(
            tmp_path, environment, "approvals", "decide", approval["id"], "approve", "--as", "dana",
            "--shown", approval["presentation_hash"],
        )  # fmt: skip
        until(lambda: asked(port, "/healthz") == 503, "the loop to be found stuck")
        assert asked(port, "/readyz") == 200, "its database is there"


@pytest.mark.postgres
@pytest.mark.timeout(500)
def test_a_frozen_or_refusing_server_fails_no_scrape(tmp_path: Path, postgres_url: str) -> None:
    """A relay stands between worker and PostgreSQL: stopped by SIGSTOP it hangs, killed it refuses."""
    relay_port, port = free_port(), free_port()
    environment = furnished(tmp_path, postgres_url.replace(":5432/", f":{relay_port}/"))
    relay = [sys.executable, "-m", "tests.operations.relay", str(relay_port), "127.0.0.1", "5432"]
    passing = subprocess.Popen(relay)
    try:
        until(lambda: listens(relay_port), "the relay to listen")
        commanded(tmp_path, environment, "db", "upgrade")
        ask(tmp_path, environment)
        words = ("worker", "desk_app:graph", "--health-port", str(port), "--metrics-port", str(port))
        with running(tmp_path, environment, *words) as worker:
            until(lambda: asked(port, "/readyz") == 200, "the worker to be ready")
            until(lambda: value(metrics(port), PENDING) == 1, "the gauges")
            said = "GUARDKIT_DECISION_KEY is set where tools run"
            until(
                lambda: any(said in line for line in worker.lines), "the worker to say what it must not have"
            )
            passing.send_signal(signal.SIGSTOP)
            until(lambda: asked(port, "/readyz") == 503, "a frozen server to be noticed")
            until(lambda: value(metrics(port), "guardkit_database_up") == 0, "the gauge to fall")
            assert value(metrics(port), PENDING) is None
            passing.send_signal(signal.SIGCONT)
            until(lambda: asked(port, "/readyz") == 200, "it to be back")
            passing.kill()
            passing.wait(timeout=60)
            until(lambda: asked(port, "/readyz") == 503, "a server that refuses to be noticed")
            assert asked(port, "/healthz") == 200
            passing = subprocess.Popen(relay)
            until(lambda: asked(port, "/readyz") == 200, "it to be back again")
            until(lambda: value(metrics(port), PENDING) == 1, "the gauges to be back")
    finally:
        passing.kill()
        passing.wait(timeout=60)


def listens(port: int) -> bool:
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in table)


@pytest.mark.timeout(500)
def test_the_inbox_drains_after_sigterm(tmp_path: Path) -> None:
    environment = furnished(tmp_path)
    port, scrapes = free_port(), free_port()
    words = ("serve", "desk_app:graph", "--port", str(port), "--metrics-port", str(scrapes), "--drain", "8")
    with running(tmp_path, environment, *words) as process:
        until(lambda: asked(port, "/readyz") == 200, "the inbox to be ready")
        assert value(metrics(scrapes), "guardkit_database_up") == 1
        assert value(metrics(scrapes), "guardkit_worker_round_age_seconds") is None
        process.popen.send_signal(signal.SIGTERM)
        until(lambda: asked(port, "/readyz") == 503, "the inbox to say that it ends")
        assert asked(port, "/healthz") == 200, "and still to answer"
        assert process.popen.wait(timeout=120) == 0
    assert [one["message"] for one in records(process) if "ending" in one["message"]] == ["ending in 8 s"]


@pytest.mark.timeout(300)
def test_a_stopped_worker_ends_though_the_collector_is_not_there(tmp_path: Path) -> None:
    environment = furnished(tmp_path) | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    port = free_port()
    with running(tmp_path, environment, "worker", "desk_app:graph", "--health-port", str(port)) as process:
        until(lambda: asked(port, "/readyz") == 200, "the worker to be ready")
        assert process.end() == 0
    assert all(isinstance(one, dict) for one in records(process)), "the SDK's own complaints are records too"


@pytest.mark.timeout(300)
@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("variables", "words", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, (), "OTEL_TRACES_EXPORTER names the exporter 'zipkin'"),
        ({"OTEL_SDK_DISABLED": "true"}, ("--metrics-port", "1"), "OTEL_SDK_DISABLED"),
        ({}, ("--probe-host", "example.org"), "--probe-host 'example.org' is not an IP address"),
        ({"GUARDKIT_LOG_FORMAT": "xml"}, (), "the log format 'xml' is not known"),
    ],
    ids=["exporter", "disabled", "host", "format"],
)
def test_what_cannot_be_done_is_refused_at_the_start(
    tmp_path: Path, variables: dict[str, str], words: tuple[str, ...], named: str
) -> None:
    environment = furnished(tmp_path) | variables
    with running(tmp_path, environment, "worker", "desk_app:graph", *words) as process:
        assert process.popen.wait(timeout=200) == 2
        until(lambda: any(named in line for line in process.lines), f"the message {named!r}", 30)
