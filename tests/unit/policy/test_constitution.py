"""Constitutions: written principles with author, rationale, jurisdiction and a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.core.drafts import Criterion
from guardkit.errors import ConstitutionError
from guardkit.policy import Constitution, Policy
from tests.unit.policy.desk import POLICY, write

TEXT = """\
constitution: claims-answers
version: "1.0"
owner: claims-risk@corp.example
principles:
  - id: cite-the-clause
    text: Every statement about coverage names the clause it rests on.
    author: legal@corp.example
    rationale: Customers act on what they are told.
    jurisdiction: EU
    test:
      violates: Water damage is covered.
      complies: Water damage is covered (terms, section 4.2).
  - id: no-advice
    text: The answer gives no legal advice.
    author: legal@corp.example
    rationale: Only lawyers may.
    jurisdiction: any
    test: {violates: You should sue., complies: The terms say nothing about suing.}
"""


def constitution(folder: Path, text: str = TEXT) -> Path:
    path = folder / "constitution.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_principles_are_the_questions_that_a_critic_answers(tmp_path: Path) -> None:
    found = Constitution.from_file(constitution(tmp_path))
    assert found.criteria() == (
        Criterion(id="cite-the-clause", text="Every statement about coverage names the clause it rests on."),
        Criterion(id="no-advice", text="The answer gives no legal advice."),
    )
    assert found.principles[0].test.violates == "Water damage is covered."
    assert Constitution.from_dict(found.model_dump(mode="json")) == found


def test_the_hash_covers_every_word(tmp_path: Path) -> None:
    one = Constitution.from_file(constitution(tmp_path)).hash
    assert Constitution.from_file(constitution(tmp_path, f"# comment\n{TEXT}")).hash == one
    assert Constitution.from_file(constitution(tmp_path, TEXT.replace("You should", "You must"))).hash != one


SLIPS = {
    "no test": ("    test: {violates: You should sue., complies: The terms say nothing about suing.}\n", "", 13, r"principles\[1\]\.test: is missing"),
    "no rationale": ("    rationale: Only lawyers may.\n", "", 13, "rationale: is missing"),
    "no jurisdiction": ("    jurisdiction: any\n", "", 13, "jurisdiction: is missing"),
    "misspelt": ("    author: legal@corp.example\n", "    auther: legal@corp.example\n", 7, "did you mean 'author'"),
    "id twice": ("id: no-advice", "id: cite-the-clause", 13, "'cite-the-clause' is there twice, first as number 1"),
    "version as a number": ('"1.0"', "1.0", 2, r"quote it"),
    "overlays": ("principles:", "overlays: {DE: []}\nprinciples:", 4, "not enforced by this version"),
    "empty text": ("text: The answer gives no legal advice.", "text: ''", 14, "must not be empty"),
}  # fmt: skip


@pytest.mark.promise("P15")
@pytest.mark.parametrize(("old", "new", "line", "message"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in TEXT
    path = constitution(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(ConstitutionError, match=message) as caught:
        Constitution.from_file(path)
    assert caught.value.line == line
    assert caught.value.file == str(path)


def test_a_constitution_without_principles_is_refused(tmp_path: Path) -> None:
    head = TEXT.split("principles:", maxsplit=1)[0]
    with pytest.raises(ConstitutionError, match="must have at least 1 entry"):
        Constitution.from_file(constitution(tmp_path, f"{head}principles: []\n"))


def test_a_policy_brings_its_constitution(tmp_path: Path) -> None:
    constitution(tmp_path)
    text = POLICY.replace("default:", "constitution: constitution.yaml\ndefault:")
    policy = Policy.from_file(write(tmp_path, text))
    assert [principle.id for principle in policy.principles] == ["cite-the-clause", "no-advice"]


def test_a_policy_without_a_constitution_has_no_principles(tmp_path: Path) -> None:
    assert Policy.from_file(write(tmp_path)).principles == ()


def test_a_principle_of_another_jurisdiction_is_not_passed_over(tmp_path: Path) -> None:
    constitution(tmp_path, TEXT.replace("jurisdiction: EU", "jurisdiction: US"))
    text = POLICY.replace("default:", "constitution: constitution.yaml\ndefault:")
    with pytest.raises(ConstitutionError, match="'cite-the-clause' holds in 'US'"):
        Policy.from_file(write(tmp_path, text))


def test_mistakes_in_the_constitution_are_its_own(tmp_path: Path) -> None:
    constitution(tmp_path, "constitution: [")
    text = POLICY.replace("default:", "constitution: constitution.yaml\ndefault:")
    with pytest.raises(ConstitutionError, match=r"constitution\.yaml:\d: is not YAML"):
        Policy.from_file(write(tmp_path, text))
