"""The audit chain: whatever is done to it afterwards is found, as far as a signed head reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from guardkit.core.audit import GENESIS, AuditEntry, AuditEvent, AuditHead, chain, entry_hash, verify
from guardkit.core.digest import canonical
from guardkit.core.keys import private_key
from guardkit.core.signing import Signer, Verifier

TENANT = "acme"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
events = st.builds(
    AuditEvent,
    kind=st.sampled_from(["action.decided", "approval.decided", "effect.claimed"]),
    thread_id=st.none() | texts,
    turn=st.none() | st.integers(1, 9),
    data=st.dictionaries(texts, json, max_size=3),
)
batches = st.lists(
    st.tuples(st.floats(0, 2e9), st.lists(events, min_size=1, max_size=3)), min_size=1, max_size=4
)


def written(batches: Sequence[tuple[float, list[AuditEvent]]]) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for at, said in batches:
        last = (entries[-1].seq, entries[-1].hash) if entries else (0, GENESIS)
        entries += chain(TENANT, last, at, said)
    return entries


def head_of(entries: Sequence[AuditEntry], seq: int) -> AuditHead:
    return AuditHead(tenant=TENANT, seq=seq, hash=entries[seq - 1].hash if seq else GENESIS, at=0.0)


def rehashed(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    """The same events as a chain that holds in itself: what somebody with the database can make."""
    made: list[AuditEntry] = []
    for seq, entry in enumerate(entries, 1):
        previous = made[-1].hash if made else GENESIS
        digest = entry_hash(TENANT, seq, entry.at, entry.event, previous, entry.salts)
        made.append(entry.model_copy(update={"seq": seq, "previous": previous, "hash": digest}))
    return made


@pytest.mark.promise("P10")
@given(batches=batches, data=st.data())
def test_an_untouched_chain_holds_and_says_what_no_head_covers(batches: Any, data: st.DataObject) -> None:
    entries = written(batches)
    seq = data.draw(st.integers(0, len(entries)))
    report = verify(TENANT, entries, [head_of(entries, seq)])
    assert report.intact
    assert (report.entries, report.covered) == (len(entries), seq)
    alone = verify(TENANT, entries)
    assert (alone.intact, alone.covered, alone.problem) == (True, 0, None)


@pytest.mark.promise("P10")
@given(batches=batches, data=st.data())
def test_any_change_of_any_field_is_found_where_it_was_made(batches: Any, data: st.DataObject) -> None:
    entries = written(batches)
    index = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[index]
    change = data.draw(
        st.sampled_from(["kind", "thread_id", "turn", "data", "at", "seq", "tenant", "previous", "hash"])
    )
    made = {
        "kind": st.just(f"{entry.event.kind}."),
        "thread_id": st.none() | texts,
        "turn": st.none() | st.integers(1, 9),
        "data": st.dictionaries(texts, json, max_size=3),
        "at": st.floats(0, 2e9),
        "seq": st.integers(-1, 99),
        "tenant": texts,
        "previous": st.just("0" * 63 + "1"),
        "hash": st.just("0" * 63 + "1"),
    }
    value = data.draw(made[change])
    if change in ("kind", "thread_id", "turn", "data"):
        changed = entry.model_copy(update={"event": entry.event.model_copy(update={change: value})})
    else:
        changed = entry.model_copy(update={change: value})
    # Numbers that are equal in JSON are the same value: 1 and 1.0.
    assume(changed != entry)
    entries[index] = changed
    report = verify(TENANT, entries)
    assert not report.intact
    assert report.first_bad == index + 1
    assert report.problem


@pytest.mark.promise("P10")
@given(batches=batches, data=st.data())
def test_removal_insertion_and_reordering_are_found(batches: Any, data: st.DataObject) -> None:
    entries = written(batches)
    index = data.draw(st.integers(0, len(entries) - 1))
    match data.draw(st.sampled_from(["remove", "insert", "repeat", "move"])):
        case "remove":
            tampered = entries[:index] + entries[index + 1 :]
            # A tail that is cut off looks like a chain that never was longer: only a head tells.
            cut = verify(TENANT, tampered)
            assert cut.intact == (index == len(entries) - 1)
        case "insert":
            before = (index, entries[index].previous)
            tampered = entries[:index] + chain(TENANT, before, 1.0, [data.draw(events)]) + entries[index:]
        case "repeat":
            tampered = [*entries[: index + 1], *entries[index:]]
        case _:
            to = data.draw(st.integers(0, len(entries) - 1))
            assume(to != index)
            tampered = entries[:index] + entries[index + 1 :]
            tampered.insert(to, entries[index])
    report = verify(TENANT, tampered, [head_of(entries, len(entries))])
    assert not report.intact
    assert report.first_bad is not None
    assert report.first_bad > report.covered


@pytest.mark.promise("P10")
@given(batches=batches, data=st.data())
def test_a_chain_that_was_made_anew_is_found_up_to_the_head_and_no_further(
    batches: Any, data: st.DataObject
) -> None:
    entries = written(batches)
    seq = data.draw(st.integers(0, len(entries)))
    index = data.draw(st.integers(0, len(entries) - 1))
    match data.draw(st.sampled_from(["edit", "remove", "cut"])):
        case "edit":
            event = entries[index].event.model_copy(update={"kind": "forged"})
            tampered = rehashed(
                [*entries[:index], entries[index].model_copy(update={"event": event}), *entries[index + 1 :]]
            )
        case "remove":
            assume(index < len(entries) - 1)
            assume(entries[index].event != entries[index + 1].event)
            tampered = rehashed(entries[:index] + entries[index + 1 :])
        case _:
            tampered = entries[:index]
    assert verify(TENANT, tampered).intact  # nothing inside the database tells
    report = verify(TENANT, tampered, [head_of(entries, seq)])
    assert report.intact == (index >= seq)
    if report.intact:
        assert report.covered == seq
    else:
        assert report.first_bad is not None
        assert index < report.first_bad <= seq


@pytest.mark.promise("P10")
@given(batches=batches, field=st.sampled_from(["tenant", "seq", "hash", "at", "key_id"]))
def test_a_head_counts_only_as_it_was_signed(batches: Any, field: str) -> None:
    entries = written(batches)
    signer = Signer(private_key())
    head = signer.head(head_of(entries, len(entries)))
    verifier = Verifier((signer.public_key,))
    assert verifier.head(head)
    other: Any = {"tenant": "other", "seq": head.seq + 1, "hash": GENESIS, "at": 1.0, "key_id": ""}[field]
    assert not verifier.head(head.model_copy(update={field: other}))
    assert not Verifier((Signer(private_key()).public_key,)).head(head)


@given(one=st.tuples(texts, st.integers(1, 9), events), other=st.tuples(texts, st.integers(1, 9), events))
def test_two_entries_share_a_hash_only_if_they_are_the_same(one: Any, other: Any) -> None:
    hashes = [entry_hash(tenant, seq, 1.0, event, GENESIS) for tenant, seq, event in (one, other)]
    # Python says that 1, 1.0 and True are equal; in JSON only the first two are.
    forms = [canonical([tenant, seq, event.model_dump(mode="json")]) for tenant, seq, event in (one, other)]
    assert (hashes[0] == hashes[1]) == (forms[0] == forms[1])
