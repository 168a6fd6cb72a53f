"""Audit entries of which values were erased: the chain holds, and whatever else is done to it is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from guardkit.core.audit import ERASURE, GENESIS, AuditEntry, AuditEvent, chain, verify
from guardkit.core.disclosure import ERASED, OPEN, Salts, erasable, without
from guardkit.errors import InputError
from tests.property.test_audit_chain import TENANT, json, texts

names = st.sampled_from(["by", "person", "why", "subject", "for", "state", "tool", "digest"]) | texts
events = st.builds(
    AuditEvent, kind=st.just("approval.decided"), data=st.dictionaries(names, json | texts, max_size=4)
)


def written(said: Sequence[AuditEvent]) -> list[AuditEntry]:
    return chain(TENANT, (0, GENESIS), 1.0, said)


def erased(entries: Sequence[AuditEntry], chosen: Sequence[tuple[int, str]]) -> list[AuditEntry]:
    """The chain with values erased, one after the other, and with the entry that announces it."""
    made = list(entries)
    for index, name in chosen:
        entry = made[index]
        assert entry.salts is not None
        data, salts = without(entry.event.data, entry.salts, [name])
        event = entry.event.model_copy(update={"data": data})
        made[index] = entry.model_copy(update={"event": event, "salts": salts})
    announced = AuditEvent(kind=ERASURE, data={"values": len(chosen)})
    return [*made, *chain(TENANT, (made[-1].seq, made[-1].hash), 2.0, [announced])]


def places(entries: Sequence[AuditEntry]) -> list[tuple[int, str]]:
    """Everything that can be erased."""
    return [(i, name) for i, entry in enumerate(entries) for name in erasable(entry.event.data)]


@pytest.mark.promise("P10")
@given(said=st.lists(events, min_size=1, max_size=4), data=st.data())
def test_whatever_is_erased_the_chain_holds_and_tells_nothing_of_it(said: Any, data: st.DataObject) -> None:
    entries = written(said)
    chosen = data.draw(st.lists(st.sampled_from(places(entries) or [(0, "")]), unique=True, max_size=6))
    chosen = [one for one in chosen if one in places(entries)]
    made = erased(entries, chosen)
    report = verify(TENANT, made)
    assert (report.intact, report.problem, report.erased) == (True, None, len(chosen))
    for index, name in chosen:
        entry = made[index]
        assert entry.event.data[name] == ERASED
        assert entry.salts is not None
        assert entry.salts.of(name) is None
        assert entry.salts.salt is None, "the salt of all of them is gone too"
    again = [AuditEntry.model_validate_json(one.model_dump_json()) for one in made]
    assert verify(TENANT, again) == report, "an export says the same"


@pytest.mark.promise("P10")
@given(said=st.lists(events, min_size=1, max_size=3), data=st.data())
def test_any_other_change_of_an_erased_chain_is_found(said: Any, data: st.DataObject) -> None:
    entries = written(said)
    assume(places(entries))
    chosen = data.draw(st.lists(st.sampled_from(places(entries)), min_size=1, unique=True, max_size=3))
    made = erased(entries, chosen)
    index, name = data.draw(st.sampled_from([*chosen, *places(made)]))
    entry = made[index]
    assert entry.salts is not None
    event, salts = entry.event, entry.salts
    match data.draw(st.sampled_from(["value", "gone", "added", "salt", "commitment", "salts", "open"])):
        case "value":
            event = event.model_copy(update={"data": {**event.data, name: data.draw(json)}})
        case "gone":
            event = event.model_copy(
                update={"data": {key: value for key, value in event.data.items() if key != name}}
            )
        case "added":
            event = event.model_copy(update={"data": {**event.data, "another": data.draw(json)}})
        case "salt":
            salts = salts.model_copy(update={"salt": "0" * 32})
        case "commitment":
            salts = salts.model_copy(update={"erased": {**salts.erased, name: "0" * 64}})
        case "salts":
            salts = Salts(salt="0" * 32)
        case _:
            salts = salts.model_copy(update={"erased": {}})
    changed = entry.model_copy(update={"event": event, "salts": salts})
    assume(changed != entry)
    made[index] = changed
    report = verify(TENANT, made)
    assert not report.intact
    assert report.first_bad == index + 1


@pytest.mark.promise("P10")
def test_values_that_nobody_announced_as_erased_are_missed() -> None:
    entries = written([AuditEvent(kind="x", data={"by": "ada", "why": "so"})])
    made = erased(entries, [(0, "by"), (0, "why")])
    assert verify(TENANT, made).intact
    silent = verify(TENANT, made[:1])
    assert (silent.intact, silent.problem) == (False, "2 values were erased, and entries announce 0")


def test_what_tells_nothing_of_a_person_is_not_erased() -> None:
    (entry,) = written([AuditEvent(kind="x", data={"tool": "pay", "count": 1, "by": "ada", "n": [1, None]})])
    assert entry.salts is not None
    assert erasable(entry.event.data) == ["by"]
    with pytest.raises(InputError, match="'tool' of an audit entry cannot be erased"):
        without(entry.event.data, entry.salts, ["tool"])
    (plain,) = written([AuditEvent(kind="x", data={"tool": "pay", "count": 1})])
    assert plain.salts is None, "as older releases wrote it"
    assert {"by", "person", "subject", "why", "for", "key", "reviewers", "broken_by", "target"}.isdisjoint(
        OPEN
    )
