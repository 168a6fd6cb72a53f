"""The values of an action as rows of inert text: what a table of arguments, or of changes to them, is made of."""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from guardkit.core.digest import canonical
from guardkit.core.values import Json, JsonObject, Value
from guardkit.core.visible import human, one_line, shortened

VALUE_LIMIT = 2000
"""Characters of one value that are shown; the middle of a longer one is left out."""

ROW_LIMIT = 200
"""Values that are shown; the middle of a longer list is left out."""

_PROMINENT_LIMIT = 8
_PATH_LIMIT = 200
_CONTEXT = 120
"""Characters shown on both sides of what an edit changed in a long text."""

_HOW_MUCH = frozenset("amount currency fee price sum total".split())
_TO_WHOM = frozenset(
    "account bcc beneficiary bic cc creditor destination email iban payee recipient recipients to".split()
)
"""Words in the name of an argument that says how much, or to whom."""

RowType: TypeAlias = Literal["string", "number", "integer", "boolean", "null", "object", "array", "omitted"]


class Row(Value):
    """One value of the action, as text."""

    index: int | None
    """Its place among all values, for `whole_value`; `None` where several were left out."""

    path: str
    """Where in the arguments it is, e.g. `lines[0].amount`."""

    label: str
    """The path as words."""

    text: str
    type: RowType
    bytes: int
    """Length of the whole value: UTF-8 of a string, canonical JSON of anything else."""

    sha256: str | None = None
    """Hash of the whole value's bytes, where the text is only a part of it."""

    prominent: bool = False
    """Whether it says how much, to whom, or about which thing, such as a `claim_id`."""


class Change(Value):
    """One value that an edit changed; `None` where it was or is absent."""

    path: str
    label: str
    before: str | None
    after: str | None
    before_type: RowType | None
    after_type: RowType | None
    cut: bool = False
    """Whether it shows a part only, or stands for changes that are left out: the text says how much is missing."""


class _Leaf(NamedTuple):
    path: str
    name: str
    value: Json


def rows(values: JsonObject, order: Sequence[str] = ()) -> tuple[Row, ...]:
    """Values as rows: first those that say how much, to whom and about which thing, then the others.

    Args:
        values: the arguments, or what else the tool reads.
        order: names in the order of the tool's schema; other names follow by alphabet.

    Raises:
        CanonicalError: a value has no JSON form.
    """
    leaves = list(enumerate(_leaves(values, order)))
    ranked = [(rank, at, leaf) for at, leaf in leaves if (rank := _prominence(leaf)) is not None]
    first = [(at, leaf) for _, at, leaf in sorted(ranked, key=lambda found: found[:2])][:_PROMINENT_LIMIT]
    taken = {at for at, _ in first}
    rest = [(at, leaf) for at, leaf in leaves if at not in taken]
    rows = [_row(at, leaf, prominent=True) for at, leaf in first]
    if len(rest) <= ROW_LIMIT:
        return (*rows, *(_row(at, leaf) for at, leaf in rest))
    whole = canonical(values)
    half = ROW_LIMIT // 2
    left_out = Row(
        index=None,
        path="",
        label="Left out",
        text=f"⟨… {len(rest) - ROW_LIMIT:,} of {len(leaves):,} values left out …⟩",
        type="omitted",
        bytes=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
    )
    top = [_row(at, leaf) for at, leaf in rest[:half]]
    return (*rows, *top, left_out, *(_row(at, leaf) for at, leaf in rest[-half:]))


def _prominence(leaf: _Leaf) -> int | None:
    """0 for how much, 1 for to whom, 2 for which; `None` for everything else."""
    words = human(leaf.name).lower().split(" ")
    if leaf.value is None:
        return None
    if not _HOW_MUCH.isdisjoint(words):
        return 0
    if not _TO_WHOM.isdisjoint(words):
        return 1
    return 2 if words[-1] == "id" and leaf.path == leaf.name else None


def _row(index: int, leaf: _Leaf, *, prominent: bool = False) -> Row:
    data = _bytes(leaf.value)
    text = _text(leaf.value)
    cut = len(text) > VALUE_LIMIT
    return Row(
        index=index,
        path=one_line(leaf.path, _PATH_LIMIT),
        label=human(leaf.path),
        text=shortened(text, VALUE_LIMIT) if text else "⟨empty⟩",
        type=_type(leaf.value),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest() if cut else None,
        prominent=prominent,
    )


def changes(before: JsonObject, after: JsonObject, order: Sequence[str] = ()) -> tuple[Change, ...]:
    """What an edit changed, value by value. What is cut says how long the whole is, and its hash.

    Of more than `ROW_LIMIT` changes the last one says how many others there are.

    Args:
        before: the arguments that were asked for.
        after: the arguments as they stand.
        order: as for `rows`.
    """
    old = {leaf.path: leaf for leaf in _leaves(before, order)}
    new = {leaf.path: leaf for leaf in _leaves(after, order)}
    paths = [path for path in {**old, **new} if not _same(old.get(path), new.get(path))]
    shown = tuple(_change(path, old.get(path), new.get(path)) for path in paths[:ROW_LIMIT])
    if len(paths) == len(shown):
        return shown
    left_out = f"⟨… {len(paths) - ROW_LIMIT:,} of {len(paths):,} changes left out …⟩"
    return (
        *shown,
        Change(
            path="",
            label="Left out",
            before=f"{left_out} {_whole(canonical(before), 'all values: ')}",
            after=f"{left_out} {_whole(canonical(after), 'all values: ')}",
            before_type=None,
            after_type=None,
            cut=True,
        ),
    )


def _same(old: _Leaf | None, new: _Leaf | None) -> bool:
    if old is None or new is None:
        return False
    if isinstance(old.value, str) or isinstance(new.value, str):
        return old.value == new.value
    return canonical(old.value) == canonical(new.value)  # Python holds 1 and True for equal


def _change(path: str, old: _Leaf | None, new: _Leaf | None) -> Change:
    was = None if old is None else shortened(_text(old.value), VALUE_LIMIT)
    now = None if new is None else shortened(_text(new.value), VALUE_LIMIT)
    if old is not None and new is not None:
        was, now = _around_difference(_text(old.value), _text(new.value))
    cut = any(one is not None and len(_text(one.value)) > VALUE_LIMIT for one in (old, new))
    if cut:
        was = None if was is None or old is None else _told(was, old.value)
        now = None if now is None or new is None else _told(now, new.value)
    return Change(
        path=one_line(path, _PATH_LIMIT),
        label=human(path),
        before=was if was is None else was or "⟨empty⟩",
        after=now if now is None else now or "⟨empty⟩",
        before_type=None if old is None else _type(old.value),
        after_type=None if new is None else _type(new.value),
        cut=cut,
    )


def _told(text: str, value: Json) -> str:
    """What is shown of a value, and of how much."""
    return f"{text or '⟨empty⟩'} {_whole(_bytes(value))}"


def _whole(data: bytes, of: str = "") -> str:
    return f"⟨{of}{len(data):,} bytes in all, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}⟩"


def _around_difference(was: str, now: str) -> tuple[str, str]:
    """Two long texts reduced to where they differ: a cut in the middle must not hide a change in the middle."""
    if max(len(was), len(now)) <= VALUE_LIMIT:
        return shortened(was, VALUE_LIMIT), shortened(now, VALUE_LIMIT)
    shortest = min(len(was), len(now))
    start = bisect_left(range(shortest), True, key=lambda at: was[: at + 1] != now[: at + 1])
    left = shortest - start
    same = bisect_left(range(left), True, key=lambda at: was[-1 - at :] != now[-1 - at :])
    first = max(0, start - _CONTEXT)

    def part(text: str) -> str:
        last = min(len(text), len(text) - same + _CONTEXT)
        shown = shortened(text[first:last], VALUE_LIMIT)
        return f"{'⟨…⟩ ' if first else ''}{shown}{' ⟨…⟩' if last < len(text) else ''}"

    return part(was), part(now)


def whole_value(values: JsonObject, index: int | None, order: Sequence[str] = ()) -> bytes | None:
    """The bytes that a row's length and hash are of.

    Args:
        values: as given to `rows`.
        index: `Row.index`; `None` for all values together, as canonical JSON.
        order: as given to `rows`.

    Returns:
        UTF-8; `None` when there is no such row.
    """
    if index is None:
        return canonical(values)
    return next((_bytes(leaf.value) for at, leaf in enumerate(_leaves(values, order)) if at == index), None)


def _leaves(values: JsonObject, order: Sequence[str]) -> Iterator[_Leaf]:
    """Every value that has no parts, in an order that storage cannot change."""
    ranks = {name: rank for rank, name in enumerate(order)}
    for name in sorted(values, key=lambda name: (ranks.get(name, len(ranks)), name)):
        yield from _walk(_step("", name), name, values[name])


def _walk(path: str, name: str, value: Json) -> Iterator[_Leaf]:
    match value:
        case dict() if value:
            for key in sorted(value):
                yield from _walk(_step(path, key), key, value[key])
        case list() if value:
            for index, item in enumerate(value):
                yield from _walk(f"{path}[{index}]", name, item)
        case _:
            yield _Leaf(path, name, value)


def _step(path: str, key: str) -> str:
    if re.fullmatch(r"[A-Za-z_]\w{0,63}", key, re.ASCII):
        return f"{path}.{key}" if path else key
    return f"{path}[{canonical(key).decode()}]"


def _text(value: Json) -> str:
    return value if isinstance(value, str) else canonical(value).decode()


def _bytes(value: Json) -> bytes:
    return value.encode() if isinstance(value, str) else canonical(value)


def _type(value: Json) -> RowType:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
