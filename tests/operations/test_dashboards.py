"""Dashboard and alerts: held against a real scrape, Grafana's own model, promtool, and the page that explains them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from guardkit.core.telemetry_schema import METRICS
from guardkit.otel import OpenTelemetry, observe
from guardkit.sql import SQLStore
from tests.docs.pages import ROOT
from tests.unit.otel.everything import everything
from tests.unit.otel.scene import synchronously

OPERATIONS = ROOT / "docs" / "operations"
DASHBOARD = OPERATIONS / "grafana" / "guardkit.json"
ALERTS = OPERATIONS / "prometheus" / "guardkit-alerts.yaml"
PAGE = OPERATIONS / "dashboards.md"
OF_PROMETHEUS = {"instance", "le"}


def panels() -> list[dict[str, Any]]:
    return [
        one for one in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"] if one["type"] != "row"
    ]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression, with the panel or the alert that it is of."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for alert in alerts():
        yield alert["alert"], alert["expr"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of every series that a scrape shows after everything has happened, by name."""
    folder, registry = tmp_path_factory.mktemp("scraped"), CollectorRegistry()
    meters = MeterProvider([PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    telemetry = OpenTelemetry(
        tracer_provider=NoOpTracerProvider(), logger_provider=NoOpLoggerProvider(), meter_provider=meters
    )
    everything(folder, telemetry, synchronously)
    store = SQLStore(f"sqlite:///{folder / 'whole' / 'guardkit.db'}")
    observe(store.backlog, agents=["clerk"], round_age=lambda: 0.5, meter_provider=meters)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_of_the_schema_is_scraped(scraped: dict[str, set[str]]) -> None:
    stems = {name.replace(".", "_") for name in METRICS}
    assert [stem for stem in sorted(stems) if not any(name.startswith(stem) for name in scraped)] == []


def test_every_series_that_is_asked_for_exists_with_its_labels(scraped: dict[str, set[str]]) -> None:
    for of, expression in expressions():
        series = set(re.findall(r"\bguardkit_\w+(?=[\s{\[)]|$)", expression)) - _labels(expression)
        assert series, of
        assert series <= set(scraped), of
        known = OF_PROMETHEUS.union(*(scraped[name] for name in series))
        assert _labels(expression) <= known, of


def _labels(expression: str) -> set[str]:
    """Labels that an expression groups by or selects by."""
    grouped = [
        name.strip() for found in re.findall(r"\bby \(([^)]*)\)", expression) for name in found.split(",")
    ]
    return {*grouped, *re.findall(r"[{,](\w+)[=!]", expression)}


def test_the_dashboard_is_one_of_grafanas() -> None:
    """Grafana's model of a dashboard keeps every key, so none is misspelt or in the wrong place."""
    written = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))
    assert list(_lost(written, read)) == []
    assert list(_lost({**written, "refreshh": "30s"}, read)) == [".refreshh"]


def _lost(written: Any, read: Any, path: str = "") -> Iterator[str]:
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            yield from _lost(value, read.get(key, _lost), f"{path}.{key}")
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, pair in enumerate(zip(written, read, strict=True)):
            yield from _lost(*pair, f"{path}[{number}]")
    elif written != read:
        yield path


def test_panels_have_places_and_numbers_of_their_own() -> None:
    every = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_panel_and_alert_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Panels")[2].partition("## Faster")[0]
    rows = re.findall(r"^\| \**`?([^|`*]+?)`?\** \|", text, re.MULTILINE)
    explained = [row for row in rows if row not in ("panel", "alert", "---")]
    assert sorted(explained) == sorted(
        [*(one["title"] for one in panels()), *(one["alert"] for one in alerts())]
    )


def test_every_alert_says_how_urgent_it_is() -> None:
    assert {alert["labels"]["severity"] for alert in alerts()} == {"page", "ticket"}
    assert all(alert["annotations"]["summary"] for alert in alerts())


def test_promtool_accepts_the_rules_and_their_tests_pass(promtool: str) -> None:
    for words in (("check", "rules", ALERTS.name), ("test", "rules", "guardkit-alerts.test.yaml")):
        done = subprocess.run(
            [promtool, *words], cwd=ALERTS.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout + done.stderr


def test_every_alert_is_seen_ringing_and_seen_quiet() -> None:
    cases = yaml.safe_load((ALERTS.parent / "guardkit-alerts.test.yaml").read_text(encoding="utf-8"))["tests"]
    rung: set[str] = set()
    quiet: set[str] = set()
    for case in (one for test in cases for one in test["alert_rule_test"]):
        (rung if case["exp_alerts"] else quiet).add(case["alertname"])
    assert rung == quiet == {alert["alert"] for alert in alerts()}


def test_promtool_parses_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, (_, expression) in enumerate(expressions())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
