"""The directory of people, and whether a route can be answered at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.core.people import Directory, Person
from guardkit.errors import PolicyError
from guardkit.policy import PeopleDirectory, Policy
from guardkit.policy.quorum import Seats, seats_filled
from tests.unit.policy.desk import PEOPLE, POLICY, people, write


@pytest.fixture
def directory(tmp_path: Path) -> PeopleDirectory:
    write(tmp_path)
    return PeopleDirectory.from_file(tmp_path / "people.yaml")


@pytest.mark.parametrize("identity", ["u2", "second@corp.example", "Second@Corp.Example", "slack:T1:U2"])
def test_a_person_is_found_by_every_identity(directory: PeopleDirectory, identity: str) -> None:
    port: Directory = directory
    found = port.find(identity)
    assert found is not None
    assert found.id == "u2"


@pytest.mark.parametrize("identity", ["", "U2", "slack:t1:u2", "nobody@corp.example", "corp.example"])
def test_nobody_is_found_by_anything_else(directory: PeopleDirectory, identity: str) -> None:
    assert directory.find(identity) is None


def test_people_are_as_they_are_written(directory: PeopleDirectory) -> None:
    assert directory.people[0] == Person(
        id="u1", email="first@corp.example", name="First", roles=("manager",)
    )
    assert not directory.people[4].active


SHARED = {
    "id twice": "{id: u1, email: new@corp.example}",
    "mail twice": "{id: u9, email: First@Corp.example}",
    "identity is an id": "{id: u9, identities: [u1]}",
    "identity twice": "{id: u9, identities: ['slack:T1:U2']}",
    "id is a mail": "{id: first@corp.example}",
    "identity is a mail, in capitals": "{id: u9, identities: [FIRST@corp.example]}",
}


@pytest.mark.promise("P5", "P15")
@pytest.mark.parametrize("person", SHARED.values(), ids=SHARED)
def test_an_identity_belongs_to_one_person(tmp_path: Path, person: str) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(f"{PEOPLE}  - {person}\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"belongs to two people, numbers \d and 6 of the list") as caught:
        PeopleDirectory.from_file(path)
    assert caught.value.line == 7
    assert caught.value.file == str(path)
    assert caught.value.field == "people[5]"


def test_the_same_in_python() -> None:
    with pytest.raises(PolicyError, match="belongs to two people"):
        PeopleDirectory([Person(id="a"), Person(id="b", identities=("a",))])


def test_one_person_may_repeat_an_identity() -> None:
    directory = PeopleDirectory([Person(id="a@x.example", email="a@x.example", identities=("a@x.example",))])
    assert directory.find("A@x.example") is not None


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("people: []\nroles: []\n", "roles: is not a known key"),
        ("people:\n  - {id: a, mail: x@y}\n", "did you mean 'email'"),
        ("people:\n  - {id: a, email: nobody}\n", "'nobody' is not an e-mail address"),
        ("people:\n  - {id: ''}\n", "must not be empty"),
        ("people:\n  - {email: a@x}\n", "id: is missing"),
        ("people:\n  - {id: a, active: 'no'}\n", "must be true or false"),
        ("people:\n  - {id: 7}\n", r"must be text, not 7 \(quote it\)"),
        ("peopel: []\n", "did you mean 'people'"),
    ],
)
def test_slips_in_a_people_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=message) as caught:
        PeopleDirectory.from_file(path)
    assert caught.value.line is not None


def test_an_inactive_approver_does_not_count(tmp_path: Path) -> None:
    text = PEOPLE.replace("{id: u1,", "{id: u1, active: false,")
    with pytest.raises(PolicyError, match="needs 1 person, and 0 active people are eligible"):
        Policy.from_file(write(tmp_path, people_text=text))


def test_an_approver_without_the_role_does_not_count(tmp_path: Path) -> None:
    text = PEOPLE.replace(
        "{id: u3, email: third@corp.example, roles: [finance],", "{id: u3, email: third@corp.example,"
    )
    with pytest.raises(PolicyError, match="needs 2 people, and 1 active person is eligible"):
        Policy.from_file(write(tmp_path, people_text=text))


@pytest.mark.promise("P5")
def test_one_person_cannot_fill_two_stages(tmp_path: Path) -> None:
    text = POLICY.replace(
        "      - {approvers: [first@corp.example], channel: claims-desk}\n",
        "      - {approvers: [first@corp.example], channel: claims-desk}\n"
        "      - {approvers: [u1], channel: finance}\n",
    )
    with pytest.raises(
        PolicyError, match="need 2 different people in all, and only 1 can be found"
    ) as caught:
        Policy.from_file(write(tmp_path, text))
    assert caught.value.field == "approvals.desk.stages"


def test_people_of_different_tenants_do_not_add_up(tmp_path: Path) -> None:
    text = PEOPLE.replace("{id: u4,", "{id: u4, tenant: other,")
    with pytest.raises(PolicyError, match="needs 2 people, and 1 active person is eligible"):
        Policy.from_file(write(tmp_path, people_text=text))


def test_a_directory_of_ones_own_is_not_listed(tmp_path: Path) -> None:
    class Remote:
        def find(self, identity: str) -> Person | None:
            return people().find(identity)

    text = POLICY.replace("required: 2", "required: 9")
    assert Policy.from_file(write(tmp_path, text), directory=Remote()).name == "claims"


@pytest.mark.parametrize(
    ("stages", "filled"),
    [
        ([], 0),
        ([({"a"}, 1), ({"a"}, 1)], 1),
        ([({"a", "b"}, 1), ({"a"}, 1)], 2),
        ([({"a", "b"}, 1), ({"b", "c"}, 1), ({"a"}, 1)], 3),
        ([({"a", "b", "c"}, 2), ({"a", "b"}, 2)], 3),
        ([(set[str](), 1)], 0),
    ],
)
def test_seats_are_filled_by_different_people(stages: list[tuple[set[str], int]], filled: int) -> None:
    assert seats_filled([Seats(eligible, required) for eligible, required in stages]) == filled


DELEGATE = """\
people:
  - {id: b, email: b@x.example}
  - {id: c, tenant: other}
  - id: a
    delegates:
      - {to: B@x.example, from: "2026-12-21T08:00:00+01:00", until: 2026-12-28T08:00:00Z}
"""


@pytest.mark.promise("P5")
def test_a_delegate_holds_from_and_until(tmp_path: Path) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(DELEGATE, encoding="utf-8")
    directory = PeopleDirectory.from_file(path)
    away, delegate = directory.find("a"), directory.find("b")
    assert away is not None
    assert delegate is not None
    begins, ends = 1_797_836_400.0, 1_798_444_800.0
    assert [away.delegates_to(delegate, at) for at in (begins - 1, begins, ends - 1, ends)] == [
        False,
        True,
        True,
        False,
    ]
    assert not delegate.delegates_to(away, begins)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("old", "new", "message", "field"),
    [
        ("to: B@x.example", "to: nobody", "nobody is known as 'nobody'", "to"),
        ("to: B@x.example", "to: a", "'a' is the person themselves", "to"),
        ("to: B@x.example", "to: c", "'c' is of another tenant", "to"),
        ("+01:00", "", "has no offset from UTC", "from"),
        ("2026-12-28T08:00:00Z", "soon", "'soon' is not a date and time", "until"),
        ("2026-12-28T08:00:00Z", "2026-12-21T07:00:00Z", "is not after `from`", "until"),
        ("from:", "since:", "is not a known key", "since"),
    ],
)
def test_slips_in_a_delegation(tmp_path: Path, old: str, new: str, message: str, field: str) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(DELEGATE.replace(old, new), encoding="utf-8")
    with pytest.raises(PolicyError, match=message) as caught:
        PeopleDirectory.from_file(path)
    assert caught.value.field == f"people[2].delegates[0].{field}"
    assert caught.value.line == 6
    assert caught.value.remedy
