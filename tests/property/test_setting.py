"""Paths as people read them lead back to the values that they name."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies

from guardkit.core.digest import canonical
from guardkit.core.rows import rows
from guardkit.core.setting import assignment, with_text
from guardkit.core.values import Json, JsonObject

keys = strategies.text("ab_1 .=\"[]\\'é", max_size=6)
leaves = strategies.one_of(strategies.none(), strategies.booleans(), strategies.integers(0, 9), keys)
values = strategies.dictionaries(
    keys,
    strategies.recursive(
        leaves,
        lambda inner: strategies.one_of(
            strategies.lists(inner, max_size=3), strategies.dictionaries(keys, inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def at(value: Any, path: tuple[str | int, ...]) -> Json:
    for step in path:
        value = value[step]
    return value


@given(values, keys)
def test_every_path_that_is_shown_leads_to_its_value(args: JsonObject, text: str) -> None:
    for row in rows(args):
        path, said = assignment(f"{row.path}={text}")
        assert said == text
        found = at(args, path)
        assert row.text == ((found or "⟨empty⟩") if isinstance(found, str) else canonical(found).decode())


@given(values, keys)
def test_setting_a_text_changes_that_value_and_no_other(args: JsonObject, text: str) -> None:
    before = canonical(args)
    for row in rows(args):
        path, _ = assignment(f"{row.path}=")
        if not isinstance(at(args, path), str):
            continue
        after = with_text({}, args, path, text)
        assert text == "" or at(after, path) == text
        assert canonical(args) == before
        others = {one.path: one.text for one in rows(args) if one.path != row.path}
        assert {one.path: one.text for one in rows(after) if one.path in others} == others
