"""`guardkit trace`: the story of a thread, from the database alone."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from guardkit.core.story import Story
from guardkit.core.wording import span
from tests.unit.cli.conftest import KIM, Desk, Line


def _told(line: Line, *words: str) -> Story:
    ran = line("trace", *words, "--json")
    assert (ran.status, ran.err) == (0, "")
    return Story.model_validate(json.loads(ran.out))


def test_an_approved_payment_is_told_from_proposal_to_outcome(line: Line, desk: Desk) -> None:
    approval = desk.start("t-[1]")
    waiting = _told(line, "t-[1]")
    assert [turn.status.value for turn in waiting.turns] == ["paused"]
    line(
        "approvals",
        "decide",
        approval.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        approval.digest,
    )
    desk.go_on("t-[1]")

    (turn,) = _told(line, "t-[1]").turns
    assert (turn.status.value, turn.agent, turn.principal) == ("done", "claims", "kim@example.com")
    (pay,) = turn.actions
    assert (pay.tool, pay.action_id) == ("pay", approval.request.action.id)
    kinds = [moment.kind for moment in pay.moments]
    assert kinds == [
        "action.decided",
        "approval.requested",
        "approval.decided",
        "effect.claimed",
        "effect.recorded",
    ]
    says = [moment.says for moment in pay.moments]
    assert says[0].startswith("held for people")
    assert says[1] == "asked desk: the policy puts such calls to people"
    assert says[2].startswith("approved by dana (stage 1, local_operator, via cli), after ")
    assert says[3].startswith("started under key pay:C-[red]1")
    assert says[4].startswith("done, after ")
    assert pay.moments[0].times == 2, "decided again when the run went on"
    assert pay.moments[0].facts["checks"] == [{"check": "argument-sanity", "verdict": "pass"}]
    first, second = turn.runs
    assert [(run.status, run.continued) for run in turn.runs] == [("paused", False), ("done", True)]
    assert first.ended_at is not None
    assert first.started_at <= first.ended_at <= second.started_at
    ran = [moment.says.partition(",")[0] for moment in turn.moments]
    assert ran == [
        f"run began in {first.process}",
        "run paused",
        f"run went on in {second.process}",
        "run done",
    ]

    shown = line("trace", "t-[1]")
    assert shown.status == 0
    for text in ("t-[1]", "turn 1: done", "pay", "approved by dana", "pay:C-[red]1"):
        assert text in shown.out


def test_a_stopped_turn_tells_why(line: Line, desk: Desk) -> None:
    desk.start("t-1")
    line("stop", "set", "--thread", "t-1", "--why", "audit", "--by", "olga")
    desk.go_on("t-1")
    (turn,) = _told(line, "t-1").turns
    assert turn.no_result is not None
    assert turn.no_result.reason == "stopped_by_operator"
    kinds = [moment.kind for moment in turn.moments]
    assert kinds == ["run.started", "run.ended", "stop.set", "run.started", "turn.ended", "run.ended"]
    assert turn.moments[2].says == "stop ".join(
        ["", f"{turn.moments[2].facts['stop']} of thread t-1 set by olga"]
    )
    assert turn.moments[4].says == "ended without a result: stopped by operator"
    (pay,) = turn.actions
    assert pay.moments[-1].says == "question cancelled: the turn has ended"
    assert "because: " in line("trace", "t-1").out


def test_nothing_that_is_told_steers_the_terminal(line: Line, desk: Desk) -> None:
    thread = "t\x1b[2J\u202et"
    desk.start(thread)
    line("stop", "set", "--thread", thread, "--why", "\x1b]0;gone\x07", "--by", "\u202eolga")
    desk.go_on(thread)
    for ran in (
        line("trace", thread),
        line("trace", thread, "--json"),
        line("trace", thread, "--html", "-.html"),
    ):
        assert ran.status == 0
        assert not {"\x1b", "\u202e", "\x07"} & set(ran.out)
    assert not {"\x1b", "\u202e", "\x07"} & set((line.folder / "-.html").read_text())
    assert "⟨U+001B⟩" in line("trace", thread).out


def test_one_turn_of_several_is_told(line: Line, desk: Desk) -> None:
    desk.start("t-1")
    desk.graph.invoke({"messages": [("user", "Never mind.")]}, desk.guard.config("t-1", KIM))
    assert [turn.number for turn in _told(line, "t-1").turns] == [1, 2]
    (second,) = _told(line, "t-1", "--turn", "2").turns
    assert (second.number, second.status.value) == (2, "done")
    refused = line("trace", "t-1", "--turn", "3")
    assert refused.status == 2
    assert "turns 1 to 2, not 3" in refused.err


class Tags(HTMLParser):
    """The elements of a page, and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.data = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.data += data


def test_the_page_is_one_file_in_which_nothing_of_the_thread_is_markup(line: Line, desk: Desk) -> None:
    thread = "<script>alert(1)</script>"
    approval = desk.start(thread)
    line("approvals", "decide", approval.request.id, "edit", "--as", "dana@example.com", "--digest", approval.digest, "--args",
         json.dumps({"claim": '"><img src=x onerror=alert(2)>'}))  # fmt: skip
    desk.go_on(thread)
    ran = line("trace", thread, "--html", "page.html")
    assert (ran.status, ran.out, ran.err) == (0, "", "")

    found = Tags((line.folder / "page.html").read_text())
    assert found.names == {
        "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "p", "h2", "svg",
        "text", "line", "rect", "circle", "h3", "small", "strong", "ol", "li", "time", "span", "div", "details", "summary",
    }  # fmt: skip
    assert not {"src", "href", "onerror", "style"} & {name for name, _ in found.attributes}
    (policy,) = [text for name, text in found.attributes if name == "content" and "default-src" in str(text)]
    assert str(policy).startswith(
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    )
    for text in (thread, "edited by dana", 'pay:"><img src=x onerror=alert(2)>'):
        assert text in found.data


def test_what_the_ledger_refuses_and_what_is_in_doubt_is_told(line: Line, desk: Desk) -> None:
    first = desk.start("t-1")
    line(
        "approvals",
        "decide",
        first.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        first.digest,
    )
    desk.doubtful.append("once")
    desk.go_on("t-1")
    (turn,) = _told(line, "t-1").turns
    assert turn.actions[0].moments[-1].says.startswith("in doubt")
    assert turn.actions[0].moments[-1].tone == "bad"

    desk.doubtful.clear()
    second = desk.start("t-2")
    line(
        "approvals",
        "decide",
        second.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        second.digest,
    )
    desk.go_on("t-2")
    (turn,) = _told(line, "t-2").turns
    (refused,) = [one for one in turn.actions[0].moments if one.kind == "effect.refused"]
    assert (refused.facts["why"], refused.facts["key"]) == ("in_doubt", "pay:C-[red]1")
    assert desk.paid == []


def test_a_page_that_cannot_be_written_is_told(line: Line, desk: Desk) -> None:
    desk.start("t-1")
    refused = line("trace", "t-1", "--html", "nowhere/page.html")
    assert refused.status == 2
    assert "nowhere/page.html cannot be written" in refused.err


@pytest.mark.parametrize("words", [["nobody"], ["t-1", "--tenant", "other"]], ids=["thread", "tenant"])
def test_a_thread_that_is_not_there_is_told_so(line: Line, desk: Desk, words: list[str]) -> None:
    desk.start("t-1")
    refused = line("trace", *words)
    assert refused.status == 2
    assert "no thread" in refused.err
    assert "guardkit db threads" in refused.err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9994, "999 ms"),
        (4.25, "4.2 s"),
        (59.94, "59.9 s"),
        (60.0, "1 min 0 s"),
        (185.0, "3 min 5 s"),
        (10_680.0, "2 h 58 min"),
        (273_600.0, "3 d 4 h"),
    ],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
