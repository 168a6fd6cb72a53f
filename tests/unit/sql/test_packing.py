"""How values are kept: whatever was packed, compared and chained comes back byte for byte, and damage is told."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, strategies as st

from guardkit.errors import MissingDataError
from guardkit.sql import packing
from guardkit.sql.lineages import Key, Lineage, Lineages, found, grown, whole
from guardkit.sql.packing import Link, packed, rebuilt, unpacked

KINDS = st.sampled_from(("msgpack", "bytes", "z:own", "a:b:c", "null"))


@given(kind=KINDS, data=st.binary(max_size=400) | st.text(alphabet="ab", max_size=4000).map(str.encode))
def test_what_is_packed_comes_back(kind: str, data: bytes) -> None:
    assert unpacked(*packed(kind, data)) == (kind, data)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The next value of a channel: longer, shorter, cut, replaced, with another length in front, or the same."""
    at, to = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    new = chance.randbytes(chance.randrange(60))
    match chance.randrange(7):
        case 0 | 1:
            return data + new
        case 2:
            return data[:at] + new + data[at:]
        case 3:
            return data[:at] + data[to:]
        case 4:
            return new
        case 5:
            return (
                chance.choice((b"\x91", b"\xdc\x00\x10", b"\xdd\x00\x01\x00\x00", b"\x80", b""))
                + data[at:]
                + new
            )
        case _:
            return data


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 150))
def test_every_value_of_a_chain_is_rebuilt_from_what_is_stored(seed: int, steps: int) -> None:
    chance = random.Random(seed)
    stored: dict[str, Link] = {}
    last: Lineage | None = None
    data = chance.randbytes(chance.randrange(3000))
    for step in range(steps):
        last = grown(last, "msgpack", data, str(step))
        stored[str(step)] = last.head
        path = [last.head]
        while path[0].base is not None:
            path.insert(0, stored[path[0].base])
        assert rebuilt(path) == ("msgpack", data)
        if chance.random() < 0.2:  # another process goes on
            last = found(tuple(path))
        data = mutated(data, chance)


def test_a_chain_stays_short_and_small_however_long_a_list_grows() -> None:
    chance = random.Random(7)
    last, data, total, longest = None, b"\x90", 0, 0
    for step in range(3000):
        data = b"\xdd" + (step + 1).to_bytes(4, "big") + data[5 if step else 1 :] + chance.randbytes(100)
        last = grown(last, "msgpack", data, str(step))
        total += len(last.head.value)
        longest = max(longest, len(last.path))
    assert longest <= 1 + 3 * 31
    assert total < 3000 * 100 * 4


def test_a_value_that_moves_or_changes_inside_is_compared_too() -> None:
    """A window slides, and something in the middle changes: neither the front nor the end stays."""
    parts = [random.Random(n).randbytes(400) for n in range(30)]
    window = grown(whole("msgpack", b"".join(parts[:20]), "1"), "msgpack", b"".join(parts[3:23]), "2")
    assert window.head.base == "1"
    assert len(window.head.value) < 1600
    assert rebuilt(window.path) == ("msgpack", b"".join(parts[3:23]))


def test_another_kind_of_value_rests_on_nothing() -> None:
    first = whole("msgpack", b"a" * 1000, "1")
    assert grown(first, "bytes", b"a" * 1001, "2").head.base is None


def test_the_dictionary_is_part_of_the_format() -> None:
    assert hashlib.sha256(packing._DICTIONARY).hexdigest()[:16] == "46563e191a837e81"


def path() -> tuple[Link, ...]:
    chance = random.Random(1)
    data = chance.randbytes(3000)
    last = grown(whole("msgpack", data, "1"), "msgpack", data + chance.randbytes(90), "2")
    return grown(last, "msgpack", last.data[600:] + last.data[:500] + last.data, "3").path


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("cut", [1, 10, 500])
def test_what_was_damaged_is_told(index: int, cut: int) -> None:
    links = list(path())
    links[index] = Link(links[index].version, links[index].type, links[index].value[:-cut], links[index].base)
    with pytest.raises(MissingDataError, match="cannot be rebuilt") as caught:
        rebuilt(links)
    assert caught.value.remedy


def test_a_part_of_a_chain_is_not_taken_for_the_whole() -> None:
    links = path()
    for wrong in (links[1:], (links[0], *links[2:]), (links[0], links[0])):
        with pytest.raises(MissingDataError):
            rebuilt(wrong)


def test_what_is_remembered_has_a_limit() -> None:
    known = Lineages(5000)
    keys: list[Key] = [("t", "a", "", str(n)) for n in range(10)]
    for key in keys:
        known.keep(key, whole("bytes", random.Random(3).randbytes(400), "1"))
    there = [key for key in keys if known.get(key) is not None]
    assert there
    assert there == keys[-len(there) :]
    assert len(there) < 10
    known.keep(keys[0], whole("bytes", random.Random(3).randbytes(9000), "1"))
    assert known.get(keys[0]) is None
