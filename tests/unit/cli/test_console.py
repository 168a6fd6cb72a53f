"""Deciding at the command line: what is shown, what is sent, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.values import JsonObject
from tests.unit.cli.office import ARGS, Office, hash_of, shown

HOSTILE = "\x1b[2J\u202eevil\u2066\x9b31m\x07\u200b[bold]x"
OBEYED = set("\x1b\u202e\u2066\x9b\x07\u200b")
"""What a terminal would do instead of show, and what would reorder or hide."""


@pytest.mark.promise("P1")
def test_what_was_shown_is_approved(office: Office) -> None:
    approval = office.ask()
    seen = json.loads(office("show", approval.request.id[:8], "--json").out)
    done = office(
        "approve", approval.request.id[:8], "--as", "dana", "--yes", "--shown", seen["presentation_hash"],
        "--reason", "fine", "--json",
    )  # fmt: skip
    assert (done.status, done.err.count("48000")) == (0, 1), (
        "what is shown stays apart from what is for machines"
    )
    taken = json.loads(done.out)
    assert (taken["approval"], taken["decision"], taken["person"]) == (approval.request.id, "approve", "dana")
    assert (taken["state"], taken["stage"], taken["version"]) == ("approved", 1, 1)
    assert taken["presentation_hash"] == seen["presentation_hash"] == hash_of(approval)
    assert taken["changes"] == []
    now = office.now(approval)
    assert (now.decisions[0].shown, now.decisions[0].delivery) == (taken["presentation_hash"], "cli")
    assert (now.state, now.decisions[0].reason, now.decisions[0].via) == (
        ApprovalState.APPROVED,
        "fine",
        "cli",
    )


@pytest.mark.parametrize(("verb", "state"), [("reject", "rejected"), ("respond", "responded")])
def test_a_no_and_an_answer_have_words(office: Office, verb: str, state: str) -> None:
    approval = office.ask(allowed=("approve", "edit", "reject", "respond"))
    silent = office(verb, approval.request.id, *shown(approval))
    assert (silent.status, office.now(approval).state) == (2, ApprovalState.PENDING)
    assert "needs a reason" in silent.err
    done = office(verb, approval.request.id, *shown(approval), "--reason", "not this one")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith(f"approval is {state}\n")
    assert office.now(approval).decisions[0].reason == "not this one"


@pytest.mark.promise("P5")
def test_a_yes_has_words_where_the_policy_demands_them(office: Office) -> None:
    approval = office.ask(comment_required=("approve",))
    silent = office("approve", approval.request.id, *shown(approval))
    assert (silent.status, office.now(approval)) == (2, approval)
    assert "needs a reason" in silent.err
    done = office("approve", approval.request.id, *shown(approval), "--reason", "checked the invoice")
    assert (done.status, done.err) == (0, "")
    assert office.now(approval).decisions[0].reason == "checked the invoice"


@pytest.mark.promise("P1")
def test_what_others_have_said_since_is_looked_at_first(office: Office) -> None:
    approval = office.ask(required=2)
    after = office.decide(approval, "eli")
    assert after.digest == approval.digest
    refused = office("approve", approval.request.id, *shown(approval), "--json")
    assert (refused.status, json.loads(refused.out)["reason"]) == (6, "version_mismatch")
    assert office("approve", approval.request.id, *shown(after)).status == 0
    edited = office.ask(required=2)
    office.decide(edited, "eli", "edit", args={**ARGS, "cents": 99000})
    by_digest = ("--digest", edited.digest[:12], "--yes", "--as", "dana", "--json")
    refused = office("approve", edited.request.id, *by_digest)
    assert (refused.status, len(office.now(edited).decisions)) == (6, 1)


@pytest.mark.parametrize(
    ("person", "status", "reason", "why"),
    [
        ("mallory@example.com", 5, "not_an_approver", "unknown_identity"),
        ("finn", 5, "not_an_approver", "not_an_approver"),
        ("uma", 5, "requester", "requester"),
        ("nora", 3, None, "other_tenant"),
    ],
)
def test_who_may_not_decide_is_told_so_and_shown_nothing(
    office: Office, person: str, status: int, reason: str | None, why: str
) -> None:
    approval = office.ask()
    words = ("--as", person, "--yes", "--shown", hash_of(approval), "--json")
    refused = office("approve", approval.request.id, *words)
    assert refused.status == status
    said = json.loads(refused.out)
    assert said["reason"] == reason
    assert "48000" not in refused.out + refused.err
    assert office.now(approval).state is ApprovalState.PENDING
    audited = [
        entry.event for entry in office.store.entries("default") if entry.event.kind == "approval.refused"
    ]
    assert [event.data["why"] for event in audited] == [why]


def test_what_is_over_or_not_allowed_is_told_apart(office: Office) -> None:
    approval = office.ask()
    assert office("approve", approval.request.id, *shown(approval)).status == 0
    again = office("approve", approval.request.id, *shown(office.now(approval)), "--json")
    assert (again.status, json.loads(again.out)["reason"]) == (4, "already_settled")
    other = office.ask(allowed=("approve", "reject"))
    refused = office("edit", other.request.id, *shown(other), "--set", "cents=1", "--json")
    assert (refused.status, json.loads(refused.out)["reason"]) == (5, "not_allowed")
    twice = office.ask(required=2)
    assert office("approve", twice.request.id, *shown(twice)).out.endswith("approval is pending\n")
    again = office("approve", twice.request.id, *shown(office.now(twice)), "--json")
    assert (again.status, json.loads(again.out)["reason"]) == (4, "already_decided")


def test_part_of_an_id_is_enough_unless_several_begin_so(office: Office) -> None:
    first, second = office.ask(id=f"abcd1{'0' * 27}"), office.ask(id=f"abcd2{'0' * 27}")
    elsewhere = office.ask(id=f"abcd3{'0' * 27}", tenant="north")
    assert json.loads(office("show", "abcd2", "--json").out)["id"] == second.request.id
    refused = office(
        "reject", "abcd", "--as", "dana", "--yes", "--digest", "0" * 12, "--reason", "r", "--json"
    )
    assert refused.status == 3
    assert json.loads(refused.out)["error"] == "ambiguous_approval"
    assert json.loads(refused.out)["candidates"] == [first.request.id, second.request.id]
    assert elsewhere.request.id not in refused.out + refused.err
    assert office("show", "abcd").err.count(elsewhere.request.id) == 1, "whoever holds the database sees all"
    for unknown in ("abc", "abce", "ABCD1", "%", "abcd1' OR ''='", "x" * 400):
        refused = office("show", unknown)
        assert (refused.status, len(refused.err.splitlines())) == (3, 1)
        assert len(refused.err) < 300


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["approve", "--yes"], "nothing about what was looked at"),
        (["reject", "--yes", "--reason", "r"], "nothing about what was looked at"),
        (["respond", "--yes", "--reason", "r"], "nothing about what was looked at"),
        (["reject", "--reason", "r"], "--shown with the presentation_hash"),
        (["edit", "--set", "cents=1"], "--shown with the presentation_hash"),
        (["edit", "--yes", "--set", "cents=1"], "nothing about what was looked at"),
        (["approve"], "standard input is no terminal"),
        (["approve", "--yes", "--shown", "abc"], "64 hex digits"),
        (["approve", "--yes", "--digest", "abc"], "12 hex digits"),
        (["edit", "--yes", "--digest"], "needs --set or --args"),
        (["edit", "--yes", "--set", "cents", "--digest"], "--set is not path=value"),
        (["edit", "--yes", "--set", "=1", "--digest"], "--set is not path=value"),
        (["edit", "--yes", "--set", "cents=many", "--digest"], "args.cents: Write a whole number"),
        (["edit", "--yes", "--set", "cents=0", "--digest"], "args.cents must be at least 1"),
        (["edit", "--yes", "--set", "currency=CHF", "--digest"], 'args.currency is not one of "EUR", "USD"'),
        (["edit", "--yes", "--set", "centz=5", "--digest"], "args.centz is not an argument of this tool"),
        (
            ["edit", "--yes", "--set", "lines[7].amount=5", "--digest"],
            "args.lines[7] is not there: there are 1",
        ),
        (["edit", "--yes", "--set", "cents.x=5", "--digest"], "args.cents.x is not there"),
        (["edit", "--yes", "--set", "lines[0].amount=a", "--digest"], "args.lines[0].amount: Write a number"),
        (["edit", "--yes", "--set", "cents=48000", "--digest"], "the edit changes nothing"),
        (["edit", "--yes", "--args", "nowhere.json", "--digest"], "--args cannot be read: FileNotFoundError"),
        (
            ["edit", "--yes", "--args", "broken.json", "--digest"],
            "--args is not JSON: look at line 2, column 1",
        ),
        (["edit", "--yes", "--args", "list.json", "--digest"], "not a JSON object"),
        (["edit", "--yes", "--args", "twice.json", "--digest"], "duplicate key 'cents'"),
        (
            ["edit", "--yes", "--args", "wrong.json", "--digest"],
            "args.cents must be of type integer, not string",
        ),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_input_names_the_place_and_decides_nothing(
    office: Office, tmp_path: Path, words: list[str], says: str
) -> None:
    for name, text in (
        ("broken", "{\n"), ("list", "[1]"), ("twice", '{"cents": 1, "cents": 2}'), ("wrong", '{"cents": "many"}'),
    ):  # fmt: skip
        (tmp_path / f"{name}.json").write_text(text)
    approval = office.ask()
    given = [approval.digest] if words[-1] == "--digest" else []
    refused = office(words[0], approval.request.id, "--as", "dana", *words[1:], *given)
    assert refused.status == 2, refused.out
    assert says in refused.err
    assert len(refused.err.splitlines()) == 1
    assert office.now(approval) == approval


@pytest.mark.promise("P1")
def test_an_edit_sets_arguments_by_the_tools_schema(office: Office) -> None:
    approval = office.ask({**ARGS, "note": "old"})
    done = office(
        "edit", approval.request.id, *shown(approval), "--set", "cents=45000", "--set", "currency=USD",
        "--set", "urgent=yes", "--set", "lines[0].amount=2.25", "--set", "note=", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    expected: JsonObject = {
        "claim": "C-1", "cents": 45000, "currency": "USD", "urgent": True, "note": None,
        "lines": [{"amount": 2.25, "text": "a"}],
    }  # fmt: skip
    assert office.now(approval).args == expected
    changes = json.loads(done.out)["changes"]
    assert [change["path"] for change in changes] == [
        "cents",
        "currency",
        "note",
        "lines[0].amount",
        "urgent",
    ]
    assert (changes[0]["before"], changes[0]["after"]) == ("48000", "45000")
    assert "After the edit" in done.err


@pytest.mark.parametrize("standard_input", [False, True])
def test_an_edit_may_come_from_a_file(office: Office, tmp_path: Path, standard_input: bool) -> None:
    text = json.dumps({"claim": "C-ü=2", "cents": 1})
    (tmp_path / "changes.json").write_text(text)
    approval = office.ask()
    file = "-" if standard_input else "changes.json"
    done = office(
        "edit", approval.request.id, *shown(approval), "--args", file, "--set", "cents=2",
        typed=text if standard_input else None,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert office.now(approval).args == {**ARGS, "claim": "C-ü=2", "cents": 2}


def test_lists_are_narrowed_bounded_and_in_order(office: Office) -> None:
    asked = [office.ask(agent=f"agent-{number % 2}") for number in range(5)]
    north = office.ask(tenant="north")
    settled = office.ask()
    assert office("reject", settled.request.id, *shown(settled), "--reason", "r").status == 0

    def ids(*words: str) -> list[str]:
        listed = office("list", "--json", *words)
        assert listed.status == 0, listed.err
        return [one["id"] for one in json.loads(listed.out)]

    newest = [approval.request.id for approval in reversed(asked)]
    assert ids() == [north.request.id, *newest]
    assert ids("--tenant", "default") == newest
    assert ids("--for", "dana@example.com") == newest
    assert ids("--for", "nora") == [north.request.id]
    assert ids("--for", "uma") == []
    assert ids("--agent", "agent-1") == [newest[1], newest[3]]
    assert ids("--thread", "t-2") == [asked[1].request.id]
    assert ids("--tool", "pay_claim", "--tool", "other") == []
    assert ids("--status", "rejected") == [settled.request.id]
    assert ids("--status", "rejected", "--status", "pending")[0] == settled.request.id
    assert len(ids("--all")) == 7
    first = office("list", "--tenant", "default", "--limit", "2")
    assert first.err == f"more: --after {newest[1]}\n"
    assert [line.split()[0] for line in first.out.splitlines()] == newest[:2]
    assert ids("--tenant", "default", "--limit", "2", "--after", newest[1]) == newest[2:4]
    assert ids("--tenant", "default", "--after", newest[3]) == newest[4:]
    assert ids("--older-than", "1h") == []
    with office.store.database.writing() as connection:
        for number in (1, 2):
            statement = f"UPDATE gk_approvals SET requested_at = requested_at - 7200000000 WHERE id = '{newest[number]}'"
            connection.exec_driver_sql(statement)
    assert ids("--older-than", "1h") == newest[1:3]
    assert ids("--older-than", "3h") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--older-than", "soon"], "'soon' is not a duration"),
        (["--for", "mallory"], "nobody is known"),
        (["--for", "dana", "--all"], "waits for nobody"),
        (["--all", "--status", "pending"], "exclude each other"),
        (["--limit", "0"], "--limit"),
        (["--limit", "1001"], "--limit"),
        (["--status", "perhaps"], "--status"),
        (["--after", "0" * 32], "no approval"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(office: Office, words: list[str], says: str) -> None:
    refused = office("list", *words)
    assert refused.status in (2, 3)
    assert says in refused.err


@pytest.mark.promise("P15")
def test_nothing_that_somebody_wrote_reaches_the_terminal_raw(office: Office) -> None:
    args: JsonObject = {"claim": HOSTILE, "cents": 1, "note": HOSTILE * 200, "lines": [{"text": HOSTILE}]}
    more: dict[str, Any] = {"why": (HOSTILE,), "thought": HOSTILE, "agent": HOSTILE, "rules": (HOSTILE,)}
    approval = office.ask(args, thread=f"t{HOSTILE}", **more)
    name = approval.request.id
    edit = ("edit", name, *shown(approval), "--set", f"claim=x{HOSTILE}")
    for words in (
        ("list",), ("list", "--json"), ("show", name), ("show", name, "--json"), ("show", name, "--whole"),
        ("show", HOSTILE), ("list", "--for", HOSTILE), ("list", "--older-than", HOSTILE), ("list", "--after", HOSTILE),
        ("approve", name, "--as", HOSTILE, "--yes", "--digest", approval.digest),
        ("edit", name, *shown(approval), "--set", f"lines[0].{HOSTILE}=1"),
        ("edit", name, *shown(approval), "--set", f'["{HOSTILE[4:9]}"]=1'),
        ("edit", name, *shown(approval), "--args", HOSTILE),
        (*edit, "--json"), ("show", name),
    ):  # fmt: skip
        ran = office(*words)
        assert not OBEYED & set(ran.out + ran.err), words
    assert office.now(approval).args["claim"] == f"x{HOSTILE}", "what is sent is what was typed"
    assert json.loads(office("show", name, "--whole").out)["arguments"] == office.now(approval).args


def test_what_is_long_is_cut_visibly_and_shown_whole_when_asked(office: Office) -> None:
    approval = office.ask({**ARGS, "note": "a" * 5000 + "PAYLOAD" + "b" * 5000})
    seen = office("show", approval.request.id).out
    assert "characters left out" in seen
    assert "SHA-256" in seen
    assert "PAYLOAD" not in seen
    assert f"shown {hash_of(approval)}" in seen
    assert "PAYLOAD" in office("show", approval.request.id, "--whole").out


@pytest.mark.promise("P6")
def test_which_message_showed_what_and_which_decision_names_it_is_told(office: Office) -> None:
    approval = office.ask()
    (message,) = office.store.deliveries()
    office.store.delivered(message, error=None, rendered=hash_of(approval))
    office.decide(approval, "dana", delivery=message.id, shown=hash_of(approval))
    told = json.loads(office("show", approval.request.id, "--json").out)
    (sent, *_) = told["messages"]
    assert (sent["id"], sent["kind"], sent["stage"], sent["rendered"]) == (
        message.id, "ask", 1, hash_of(approval),
    )  # fmt: skip
    (said,) = told["decisions"]
    assert (said["person"], said["delivery"], said["shown"]) == ("dana", message.id, hash_of(approval))
    seen = office("show", approval.request.id).out
    assert f"message {message.id[:12]}  ask by desk, stage 1" in seen
    assert f"rendered {hash_of(approval)[:12]}" in seen
    assert f"approve, delivery {message.id[:12]}, shown {hash_of(approval)[:12]}" in seen


@pytest.mark.promise("P6")
@pytest.mark.parametrize("kind", ["approve", "reject", "respond", "edit"])
def test_nobody_decides_blind_by_a_word(office: Office, kind: str) -> None:
    approval = office.ask(allowed=("approve", "edit", "reject", "respond"))
    words = ["decide", approval.request.id, kind, "--as", "dana", "--reason", "r"]
    words += ["--args", '{"cents": 5}'] if kind == "edit" else []
    refused = office(*words)
    assert (refused.status, office.now(approval).decisions) == (2, ())
    assert "--shown with the presentation_hash" in refused.err
    old = office(*words, "--shown", "0" * 64)
    assert (old.status, office.now(approval).decisions) == (6, ())
    assert office(*words, "--digest", approval.digest).status == 0
    assert office.now(approval).decisions[0].shown is None, "nobody said what else was looked at"
    other = office.ask(allowed=("approve", "edit", "reject", "respond"))
    words[1] = other.request.id
    assert office(*words, "--shown", hash_of(other)).status == 0
    assert office.now(other).decisions[0].shown == hash_of(other)
