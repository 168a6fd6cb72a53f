"""YAML is read with lines; what JSON cannot say, and what is ambiguous, is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.errors import ConstitutionError, PolicyError
from guardkit.policy.loading import Located, dotted, read_file, read_text


def test_values_and_lines() -> None:
    located = read_text(
        'a: 1\nb:\n  - x\n  - {c: true, d: null, e: 1.5, f: "7", g: 2024-01-01}\n', PolicyError
    )
    assert located.data == {
        "a": 1,
        "b": ["x", {"c": True, "d": None, "e": 1.5, "f": "7", "g": "2024-01-01"}],
    }
    assert located.line(("a",)) == 1
    assert located.line(("b", 1, "d")) == 4
    assert located.line(("b", 0, "not", "there")) == 3


def test_a_mapping_without_lines_has_none() -> None:
    assert Located(data={}).line(("a",)) is None


def test_the_way_to_an_entry_as_text() -> None:
    assert dotted(("tools", "pay", "rules", 0, "when")) == "tools.pay.rules[0].when"


def test_aliases_are_expanded() -> None:
    located = read_text("a: &x [1, 2]\nb: *x\n", PolicyError)
    assert located.data["b"] == [1, 2]


BAD = {
    "duplicate key": ("a: 1\nb: 2\na: 3\n", 3, "'a' stands here twice, first in line 1"),
    "nested duplicate": ("t:\n  x: 1\n  x: 2\n", 3, r"t\.x: key 'x' stands here twice"),
    "number as key": ("1: x\n", 1, "key '1' is read as a int"),
    "boolean as key": ("on: x\n", 1, "'on' is an unusual spelling"),
    "true as key": ("true: x\n", 1, "key 'true' is read as a bool"),
    "list as key": ("? [a]\n: x\n", 1, "a key is not plain text"),
    "alias as key": ("a: &x b\n*x : c\n", 2, "a key is not plain text"),
    "merge key": ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge keys are not supported"),
    "tag": ("a: !!python/object:os.system x\n", 1, "tag .* is not allowed"),
    "unknown alias": ("a: *x\n", 1, "alias 'x' names no finished anchor"),
    "recursive alias": ("a: &x [*x]\n", 1, "alias 'x' names no finished anchor"),
    "second document": ("a: 1\n---\nb: 1\n", 2, "a second document begins here"),
    "yes": ("a: yes\n", 1, "'yes' is an unusual spelling of a value of type bool"),
    "octal": ("a: 010\n", 1, "'010' is an unusual spelling of a value of type int"),
    "sexagesimal": ("a: 1:30\n", 1, "'1:30' is an unusual spelling of a value of type int"),
    "underscore": ("a: 1_000\n", 1, "'1_000' is an unusual spelling"),
    "infinity": ("a: .inf\n", 1, r"'\.inf' is an unusual spelling of a value of type float"),
    "endless number": (f"a: {'9' * 5000}\n", 1, "is an unusual spelling of a value of type int"),
    "list at the top": ("- a\n", 1, "is not a mapping at its top"),
    "empty": ("", 1, "is not a mapping at its top"),
    "open bracket": ("a: [1\n", 2, "is not YAML"),
    "tab": ("a:\n\t- b\n", 2, "is not YAML"),
    "surrogate": ('a: "\\ud800"\n', 1, "is not YAML"),
}


@pytest.mark.promise("P15")
@pytest.mark.parametrize(("text", "line", "message"), BAD.values(), ids=BAD)
def test_bad_yaml_is_told_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as caught:
        read_text(text, PolicyError, file="p.yaml")
    assert caught.value.file == "p.yaml"
    assert caught.value.line == line


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20)]
    with pytest.raises(PolicyError, match="aliases expanded"):
        read_text("\n".join(levels), PolicyError)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(PolicyError, match="nest"):
        read_text("a: " + "[" * 5000, PolicyError)


@pytest.mark.promise("P15")
def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"gone\.yaml: cannot be read") as caught:
        read_file(tmp_path / "gone.yaml", PolicyError)
    assert caught.value.remedy == "name an existing, readable file"
    with pytest.raises(PolicyError, match="cannot be read"):
        read_file(tmp_path, PolicyError)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(PolicyError, match="is not UTF-8") as caught:
        read_file(latin, PolicyError)
    assert caught.value.line == 2
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(PolicyError, match="is larger than"):
        read_file(large, PolicyError)


def test_the_error_is_the_one_asked_for() -> None:
    with pytest.raises(ConstitutionError):
        read_text("a: [", ConstitutionError)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes("a: 1\n".encode("utf-8-sig"))
    assert read_file(path, PolicyError).data == {"a": 1}
