"""The OpenAPI document says what the API does: nothing less, nothing more."""

from __future__ import annotations

import json
import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from starlette.routing import Route
from typer.testing import CliRunner

from guardkit.cli import app
from guardkit.core.tokens import TokenScope
from guardkit.web.api import document, http_api
from guardkit.web.api.operations import OPERATIONS
from guardkit.web.api.problems import KINDS, URN
from tests.docs.pages import ROOT
from tests.web.callers import Office
from tests.web.claims import Claims

REFERENCE = ROOT / "docs" / "reference"
COPY = REFERENCE / "openapi.json"


def routes() -> set[tuple[str, str]]:
    """Every method and path that the API answers at."""
    claims = Claims()
    made = http_api(
        claims.desk, claims.store, claims.people, Office(claims).inbox.settings, clock=claims.clock
    )
    assert all(isinstance(route, Route) for route in made.routes)
    return {
        (method, route.path)
        for route in made.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_it_is_a_valid_document() -> None:
    validate(document(), cls=OpenAPIV31SpecValidator)


def test_it_has_every_route_and_no_other() -> None:
    listed = {
        (method.upper(), path) for path, methods in document()["paths"].items() for method in methods
    }  # fmt: skip
    assert listed == routes()
    assert len(listed) == len(OPERATIONS) + 1


def test_the_api_serves_it_to_everybody() -> None:
    answer = Office(Claims()).stranger().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == document()


def test_the_copy_in_the_documentation_is_the_same() -> None:
    """Written by `guardkit openapi > docs/reference/openapi.json`."""
    printed = CliRunner().invoke(app, ["openapi"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == document()
    assert COPY.read_text(encoding="utf-8") == printed.stdout


def test_every_kind_of_problem_is_in_the_reference() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `{re.escape(URN)}(\w+)` \| (\d+) \|", page, re.MULTILINE)
    assert {name: int(status) for name, status in rows} == {
        kind.name: int(kind.status) for kind in KINDS.values()
    }


def test_every_kind_of_problem_is_some_operations() -> None:
    named = set(
        re.findall(
            r"`(\w+)`", json.dumps([one for path in document()["paths"].values() for one in path.values()])
        )
    )
    without = {"method_not_allowed"}  # of addresses, not of operations
    assert set(KINDS) - named == without


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_every_operation_and_scope_is_on_the_page(operation: object) -> None:
    page = (REFERENCE / "http-api.md").read_text(encoding="utf-8")
    said = next(one for one in OPERATIONS if one is operation)
    assert f"| `{said.method} {said.path}` | `{said.scope.value}` |" in page
    assert said.scope in TokenScope
