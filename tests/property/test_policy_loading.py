"""Whatever a policy file holds, it is a policy or a `PolicyError`; what is read is what was written."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from guardkit.errors import ConstitutionError, PolicyError
from guardkit.policy import Constitution, PeopleDirectory, Policy
from guardkit.policy.document import as_mapping
from guardkit.policy.durations import format_duration, parse_duration
from guardkit.policy.loading import read_text
from tests.unit.policy.desk import PEOPLE, POLICY, TOOLS, people

pytestmark = pytest.mark.promise("P15")

words = ["policy", "tools", "rules", "when", "decide", "allow", "escalate", "true", "&a", "*a", "!x", "<<:", "? ", "- ",
         "{", "}", "[", "]", ":", "#", "|", ">", "\n", "  ", "'", '"', "---\n", "1", "1.5", "~", "é", "\x00", "\u2028", "\ud800"]  # fmt: skip
scraps = st.lists(st.sampled_from(words) | st.text(max_size=4), max_size=30).map("".join)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """The text with a few places cut out, doubled or filled with scraps."""
    for _ in range(draw(st.integers(1, 3))):
        at, until = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        until = min(until, at + 40)
        middle = draw(st.sampled_from(["", text[at:until] * 2]) | scraps)
        text = text[:at] + middle + text[until:]
    return text


def loaded(text: str) -> None:
    located = read_text(text, PolicyError)
    Policy.from_dict(located.data, directory=people()).bind(TOOLS)


@given(scraps)
def test_scraps_are_a_policy_error(text: str) -> None:
    with contextlib.suppress(PolicyError):
        loaded(text)


@settings(max_examples=150)
@given(mutated(POLICY))
def test_a_damaged_policy_is_a_policy_error(text: str) -> None:
    with contextlib.suppress(PolicyError):
        loaded(text)


@given(st.binary(max_size=200))
def test_bytes_are_a_policy_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("policies") / "p.yaml"
    path.write_bytes(raw)
    for load in (Policy.from_file, PeopleDirectory.from_file):
        with pytest.raises(PolicyError):
            load(path)
    with pytest.raises(ConstitutionError):
        Constitution.from_file(path)


@given(mutated(PEOPLE))
def test_a_damaged_people_file_is_a_policy_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("people") / "people.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(PolicyError):
        PeopleDirectory.from_file(path)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tools", "rules", "when", "x"]) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.data())
def test_any_mapping_is_a_policy_or_a_policy_error(data: st.DataObject) -> None:
    mapping: dict[str, Any] = yaml.safe_load(POLICY)
    where: Any = mapping
    for _ in range(data.draw(st.integers(0, 4))):
        inner = [key for key, value in _entries(where) if isinstance(value, dict | list) and value]
        if not inner:
            break
        where = where[data.draw(st.sampled_from(inner))]
    key = data.draw(st.sampled_from([key for key, _ in _entries(where)]))
    where[key] = data.draw(values)
    with contextlib.suppress(PolicyError):
        Policy.from_dict(mapping, directory=people()).bind(TOOLS)


def _entries(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else list(enumerate(value))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text("ab:#-'\"\n {}[]&*!|>%@`é", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc:# ", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), plain, min_size=1, max_size=4), st.booleans())
def test_what_is_read_is_what_was_written(data: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=flow)
    assert read_text(text, PolicyError).data == data
    assert read_text(json.dumps(data), PolicyError).data == data


@given(st.integers(1, 3600 * 24 * 366))
def test_durations_are_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@settings(max_examples=100)
@given(mutated(POLICY))
def test_a_policy_is_the_same_after_a_round_trip(text: str) -> None:
    try:
        policy = Policy.from_dict(read_text(text, PolicyError).data, directory=people())
    except PolicyError:
        return
    again = Policy.from_dict(as_mapping(policy.document), directory=people())
    assert again.document == policy.document
    assert again.hash == policy.hash


def test_the_files_of_the_fuzz_are_good_themselves(tmp_path: Path) -> None:
    loaded(POLICY)
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    assert PeopleDirectory.from_file(tmp_path / "people.yaml").people
