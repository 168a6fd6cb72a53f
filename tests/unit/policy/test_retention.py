"""Retention files: what is not named is kept, and a slip is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.core.retention import RetentionKind
from guardkit.errors import RetentionError
from guardkit.policy import Retention

TEXT = """\
retention: claims
version: "1"
owner: privacy@corp.example
keep:
  checkpoints: 90d
  approvals: 36500d
  effects: forever
  requests: 1d12h
tenants:
  acme: {checkpoints: forever, replies: 90s}
  blue: {approvals: 1d}
"""
HEAD = "retention: r\nversion: '1'\nowner: me\n"


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "retention.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_file_says_holds_for_everybody_but_whom_it_names(tmp_path: Path) -> None:
    found = Retention.from_file(written(tmp_path))
    periods = {
        tenant: {
            kind.value: seconds
            for kind in RetentionKind
            if (seconds := found.period(kind, tenant)) is not None
        }
        for tenant in ("acme", "blue", "coal")
    }
    day = 86_400
    everybody = {"checkpoints": 90 * day, "approvals": 36_500 * day, "requests": 1.5 * day}
    assert periods == {
        "acme": {"approvals": 36_500 * day, "requests": 1.5 * day, "replies": 90},
        "blue": everybody | {"approvals": day},
        "coal": everybody,
    }


def test_what_is_not_named_is_kept(tmp_path: Path) -> None:
    for text in (HEAD, f"{HEAD}keep: {{}}\n", f"{HEAD}tenants: {{acme: {{}}}}\n"):
        found = Retention.from_file(written(tmp_path, text))
        assert [found.period(kind, "acme") for kind in RetentionKind] == [None] * len(RetentionKind)


def test_the_hash_covers_every_word(tmp_path: Path) -> None:
    one = Retention.from_file(written(tmp_path)).hash
    assert Retention.from_file(written(tmp_path, f"# comment\n{TEXT}")).hash == one
    assert Retention.from_file(written(tmp_path, TEXT.replace("90d", "2160h"))).hash == one, "as long"
    for other in ("91d", "forever"):
        assert Retention.from_file(written(tmp_path, TEXT.replace("90d", other, 1))).hash != one


SLIPS = {
    "no unit": ("checkpoints: 90d", "checkpoints: 90", 5, r"keep\.checkpoints: a length of time is text with units"),
    "nothing": ("checkpoints: 90d", "checkpoints: 0d", 5, "not between one second and 100 years"),
    "too long": ("approvals: 36500d", "approvals: 36601d", 6, "not between one second and 100 years"),
    "another word": ("effects: forever", "effects: never", 7, "'never' is not a duration"),
    "misspelt kind": ("approvals: 36500d", "aprovals: 1d", 6, "did you mean 'approvals'"),
    "audit": ("approvals: 36500d", "audit: 1d", 6, "keep.audit: is not a known key"),
    "requests of a tenant": ("{approvals: 1d}", "{requests: 1d}", 11, r"tenants\.blue\.requests: is not a known key"),
    "no owner": ("owner: privacy@corp.example\n", "", 1, "owner: is missing"),
    "version as a number": ('"1"', "1", 2, "quote it"),
    "a list": ("keep:\n", "keep: []\nmore:\n", 5, "is not a known key"),
}  # fmt: skip


@pytest.mark.promise("P15")
@pytest.mark.parametrize(("old", "new", "line", "message"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in TEXT
    with pytest.raises(RetentionError, match=message) as caught:
        Retention.from_file(written(tmp_path, TEXT.replace(old, new, 1)))
    assert caught.value.line == line


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RetentionError, match=r"elsewhere\.yaml: cannot be read") as caught:
        Retention.from_file(tmp_path / "elsewhere.yaml")
    assert (caught.value.code, caught.value.remedy) == ("retention", "name an existing, readable file")
