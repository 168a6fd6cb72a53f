"""The oracle of the campaigns sees what it is there to see: evidence that is forged in one place is found out."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage

from tests.chaos.forgery import Forge, Forgery, Line, decide, open_scene, play
from tests.chaos.oracle import judge
from tests.chaos.people import Crowd
from tests.chaos.scene import Script, new_folder, prompt, template


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("honest")
    forgery = open_scene(new_folder(parent, "scene", template(parent)))
    play(forgery)
    forgery.scene.close()
    return forgery.scene.folder


@pytest.fixture
def forgery(honest: Path, tmp_path: Path) -> Iterator[Forgery]:
    shutil.copytree(honest, tmp_path / "scene")
    made = open_scene(tmp_path / "scene")
    yield made
    made.scene.close()


def test_an_honest_scene_is_found_clean(forgery: Forgery) -> None:
    found = forgery.judged()
    assert found.all() == []
    assert {line["tool"]: line["args"]["amount"] for line in forgery.scene.bank.journal.lines("effect")} == {
        "note": 5,
        "pay": 50,
        "wire": 500,
        "refund": 71,
    }
    assert (found.counts["effects"], found.counts["reads"], found.counts["effect done"]) == (4, 1, 4)
    assert (found.counts["approval consumed"], found.counts["approval rejected"]) == (3, 1)
    assert found.counts["turn done"] == 1


WRONG: dict[str, tuple[Forge, str]] = {
    "an effect that the policy rejects": (
        lambda forgery: forgery.happens("erase", {"item": "f", "amount": 1}),
        r"erase.* ran: the policy rejects it",
    ),
    "an effect of a tool that nobody knows": (
        lambda forgery: forgery.happens("empty", {"item": "f", "amount": 1}),
        r"empty.* ran: the policy rejects it",
    ),
    "a free effect that nobody proposed": (
        lambda forgery: forgery.happens("note", {"item": "z", "amount": 5}),
        r"note.* ran: nobody proposed it",
    ),
    "a free effect with another amount": (
        lambda forgery: forgery.bank("note", args={"item": "a", "amount": 6}),
        r"note.* ran: nobody proposed it",
    ),
    "an approved effect with another amount": (
        lambda forgery: forgery.bank("pay", args={"item": "b", "amount": 51}),
        r"pay.* ran: neither the model nor an editor asked for these arguments",
    ),
    "an edited effect with the model's amount": (
        lambda forgery: forgery.bank("refund", args={"item": "d", "amount": 70}),
        r"refund.* ran: approvals are missing: \{'leads': 1\}",
    ),
    "an edited effect with a third amount": (
        lambda forgery: forgery.bank("refund", args={"item": "d", "amount": 72}),
        r"refund.* ran: neither the model nor an editor",
    ),
    "an effect without an approval": (
        lambda forgery: forgery.bank("pay", approval=None),
        r"pay.* ran: approvals are missing: \{'leads': 1\}, \[\] agreed",
    ),
    "an effect with the approval of another": (
        lambda forgery: forgery.bank("pay", approval=forgery.effect("wire")["approval"]),
        r"pay.* ran: approvals are missing: \{'leads': 1\}",
    ),
    "an effect that nobody agreed to": (
        lambda forgery: forgery.unsaid("pay", "lea"),
        r"pay.* ran: approvals are missing",
    ),
    "an effect that two of three agreed to": (
        lambda forgery: forgery.unsaid("wire", "finn"),
        r"wire.* ran: approvals are missing: \{'finance': 1\}, \['fay', 'lea'\] agreed",
    ),
    "an effect whose second yes came from the same person": (
        lambda forgery: (
            (
                forgery.unsaid("wire", "finn"),
                forgery.says("wire", identity="slack:T1:FAY", person="fay"),
            )
        ),
        r"wire.* ran: approvals are missing: \{'finance': 1\}",
    ),
    "an effect whose yes came from somebody without a say": (
        lambda forgery: ((forgery.unsaid("pay", "lea"), forgery.says("pay", identity="bo", person="bo"))),
        r"pay.* ran: approvals are missing: \{'leads': 1\}, \['bo'\] agreed",
    ),
    "an effect whose yes came from nobody": (
        lambda forgery: ((forgery.unsaid("pay", "lea"), forgery.says("pay", identity="x", person=None))),
        r"pay.* ran: approvals are missing: \{'leads': 1\}, \['None'\] agreed",
    ),
    "an effect whose yes was about another amount": (
        lambda forgery: (
            (forgery.unsaid("pay", "lea"), forgery.says("pay", args={"item": "b", "amount": 1}))
        ),
        r"pay.* ran: approvals are missing",
    ),
    "an effect whose yes was refused": (
        lambda forgery: forgery.rewrite(
            "said.jsonl",
            lambda lines: [
                {**line, "what": "refused", "why": "not_an_approver"}
                if line["what"] == "counted" and line["args"]["item"] == "b"
                else line
                for line in lines
            ],
        ),
        r"pay.* ran: approvals are missing",
    ),
    "an effect that somebody said no to": (
        lambda forgery: forgery.says("pay", identity="leo", person="leo", kind="reject"),
        r"pay.* ran: somebody said no",
    ),
    "an effect that somebody answered otherwise": (
        lambda forgery: forgery.says("wire", identity="leo", person="leo", kind="respond"),
        r"wire.* ran: somebody said no",
    ),
    "an effect that people rejected": (
        lambda forgery: forgery.happens("pay", {"item": "e", "amount": 80}),
        r"pay.*'e'.* ran: approvals are missing",
    ),
    "an answer that counted and must not": (
        lambda forgery: forgery.says("pay", identity="kim@corp.example", person="kim", wrong=True),
        r"an answer counted that must not: .*kim",
    ),
    "arguments of a question that changed by themselves": (
        lambda forgery: forgery.sql(
            "UPDATE gk_approvals SET args = replace(args, '50', '51') WHERE id = ?",
            forgery.effect("pay")["approval"],
        ),
        r"question .* about pay.*: the arguments changed by themselves",
    ),
}

REPEATED: dict[str, tuple[Forge, str]] = {
    "an effect that happened twice": (
        lambda forgery: forgery.happens(**_again(forgery, "pay")),
        r"effect guardkit-\w+ happened 2 times",
    ),
    "a free effect that happened three times": (
        lambda forgery: [forgery.happens(**again) for again in [_again(forgery, "note")] * 2],
        r"effect guardkit-\w+ happened 3 times",
    ),
    "an effect that happened again under another key": (
        lambda forgery: forgery.happens(**{**_again(forgery, "pay"), "key": "other"}),
        r"pay of b happened 2 times",
    ),
    "an effect that was begun twice": (
        lambda forgery: forgery.begins("pay"),
        r"effect guardkit-\w+ was begun 2 times",
    ),
    "an approval that was settled twice": (
        lambda forgery: forgery.logs(
            "approval.decided", approval=forgery.effect("pay")["approval"], state="rejected"
        ),
        r"approval \w+ was settled 2 times",
    ),
    "an approval that was used twice": (
        lambda forgery: forgery.logs("effect.claimed", approval=forgery.effect("pay")["approval"]),
        r"approval \w+ was used 2 times",
    ),
}


def _again(forgery: Forgery, tool: str) -> dict[str, Any]:
    line = forgery.effect(tool)
    return {name: line[name] for name in ("tool", "args", "key", "approval")}


def _not_there(lines: list[Line], tool: str) -> list[Line]:
    return [line for line in lines if line["what"] != "effect" or line["tool"] != tool]


def _turn_is(status: str) -> Forge:
    return lambda forgery: forgery.sql("UPDATE gk_turns SET status = ?", status)


def _effect_is(state: str) -> Forge:
    return lambda forgery: forgery.sql("UPDATE gk_effects SET state = ? WHERE key = 'note:a'", state)


def _approval_is(state: str, tool: str) -> Forge:
    return lambda forgery: forgery.sql(
        "UPDATE gk_approvals SET state = ? WHERE id = ?", state, forgery.effect(tool)["approval"]
    )


def _without_an_answer(forgery: Forgery, call_id: str) -> None:
    messages = forgery.graph.get_state(forgery.scene.config("t")).values["messages"]
    (answer,) = [one for one in messages if isinstance(one, ToolMessage) and one.tool_call_id == call_id]
    forgery.messages(RemoveMessage(id=str(answer.id)))


_HOLDER = "SELECT run_id FROM gk_effects WHERE key = 'note:a'"
OTHER: dict[str, tuple[Forge, str]] = {
    "a record of what did not happen": (
        lambda forgery: forgery.rewrite("bank.jsonl", lambda lines: _not_there(lines, "wire")),
        r"wire:c is done in the ledger and did not happen",
    ),
    "a record that denies what happened": (
        _effect_is("not_done"),
        r"note:a is not_done in the ledger and happened",
    ),
    "a claim that a living process holds": (
        lambda forgery: (
            _effect_is("claimed")(forgery),
            forgery.sql(
                f"UPDATE gk_threads SET lease_until = {2**60}, lease_owner = 'x', lease_run = ({_HOLDER})"
            ),
        ),
        r"note:a stays claimed",
    ),
    "an effect that waits": (_effect_is("waiting"), r"note:a stays waiting"),
    "a missing record": (
        lambda forgery: forgery.sql("DELETE FROM gk_effects WHERE key = 'note:a'"),
        r"note:a happened and is not in the ledger",
    ),
    "a missing record of what was approved": (
        lambda forgery: forgery.sql("DELETE FROM gk_effects WHERE key = 'pay:b'"),
        r"pay:b happened and is not in the ledger",
    ),
    "an approval that is consumed and was never claimed": (
        lambda forgery: forgery.sql("UPDATE gk_approvals SET state = 'consumed' WHERE state = 'rejected'"),
        r"question .* about pay.*'e'.* is consumed and was claimed 0 times",
    ),
    "an approval that was claimed and could be used again": (
        _approval_is("approved", "pay"),
        r"question .* about pay.* is approved and was claimed 1 times",
    ),
    "an open question of a turn that is over": (
        _approval_is("pending", "pay"),
        r"question .* about pay.* is open although its turn is over",
    ),
    "a yes that came to nothing": (
        lambda forgery: (
            (
                _approval_is("approved", "wire")(forgery),
                forgery.rewrite("bank.jsonl", lambda lines: _not_there(lines, "wire")),
                forgery.sql("DELETE FROM gk_effects WHERE key = 'wire:c'"),
            )
        ),
        r"question .* about wire.* was approved, its turn is over, and nothing was done",
    ),
    "a thread that was given up": (
        lambda forgery: forgery.sql("UPDATE gk_threads SET dead_letter = 'five times'"),
        r"thread t was given up: five times",
    ),
    "a thread that still runs": (_turn_is("running"), r"thread t is running, not over"),
    "a thread that is paused": (_turn_is("paused"), r"thread t is paused, not over"),
    "a thread that failed": (_turn_is("failed"), r"thread t is failed, not over"),
    "a thread that somebody should look at": (
        lambda forgery: forgery.sql("UPDATE gk_threads SET due_at = 1, due_why = 'answered'"),
        r"thread t is still due: answered",
    ),
    "a thread that a dead process holds": (
        lambda forgery: forgery.sql(
            "UPDATE gk_threads SET lease_until = 1, lease_owner = 'x', lease_run = 'y'"
        ),
        r"thread t is still due",
    ),
    "a call without an answer": (
        lambda forgery: _without_an_answer(forgery, "-0-2"),
        r"thread t: .*calls \['-0-2'.*have no answer",
    ),
    "a call that is answered twice": (
        lambda forgery: forgery.messages(ToolMessage("again", tool_call_id="-0-2"), AIMessage("done")),
        r"thread t: -0-2 is answered twice, or was not called",
    ),
    "a last word that is not the model's": (
        lambda forgery: forgery.messages(AIMessage("and then")),
        r"thread t: the last message is of type ai, not the model's last line",
    ),
    "a changed entry of the audit log": (
        lambda forgery: forgery.sql("UPDATE gk_audit SET kind = 'turn.opened' WHERE seq = 3"),
        r"the audit chain of default breaks at 3",
    ),
    "a changed fact of the audit log": (
        lambda forgery: forgery.sql(
            "UPDATE gk_audit SET data = replace(data, '{', '{\"forged\":1,') WHERE seq = 5"
        ),
        r"the audit chain of default breaks at 5",
    ),
    "a missing entry of the audit log": (
        lambda forgery: forgery.sql("DELETE FROM gk_audit WHERE seq = 4"),
        r"the audit chain of default breaks",
    ),
    "a process that raised": (
        lambda forgery: forgery.scene.errors.write("error", role="worker", error="KeyError: 'x'"),
        r"worker raised KeyError",
    ),
}


def _matching(told: str, findings: Sequence[str]) -> list[str]:
    found = [finding for finding in findings if re.search(told, finding, re.DOTALL)]
    assert found, findings
    return found


@pytest.mark.parametrize(("forge", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_effect_is_found(forgery: Forgery, forge: Forge, told: str) -> None:
    forge(forgery)
    assert _matching(told, forgery.judged().wrong)


@pytest.mark.parametrize(("forge", "told"), REPEATED.values(), ids=REPEATED)
def test_a_repeated_effect_is_found(forgery: Forgery, forge: Forge, told: str) -> None:
    forge(forgery)
    assert _matching(told, forgery.judged().repeated)


@pytest.mark.parametrize(("forge", "told"), OTHER.values(), ids=OTHER)
def test_whatever_else_does_not_hold_is_found(forgery: Forgery, forge: Forge, told: str) -> None:
    forge(forgery)
    assert _matching(told, forgery.judged().other)


def test_a_decision_whose_turn_nobody_finished_is_found(tmp_path: Path) -> None:
    forgery = open_scene(new_folder(tmp_path, "scene", template(tmp_path)))
    scene, graph = forgery.scene, forgery.graph
    script: Script = [[("pay", {"item": "b", "amount": 50})]]
    graph.invoke(prompt(script), scene.config("t"))
    crowd = Crowd(scene, "honest")
    for approval in crowd.open():
        decide(crowd, approval)
    found = judge(scene, graph, [script])
    assert (found.wrong, found.repeated) == ([], [])
    assert _matching("thread t is paused, not over", found.other)
    assert _matching("thread t is still due", found.other)
    asyncio.run(scene.guard.worker(graph).once())
    assert judge(scene, graph, [script]).all() == []
    scene.close()


def test_a_turn_that_is_said_to_be_done_while_its_graph_waits_is_found(tmp_path: Path) -> None:
    forgery = open_scene(new_folder(tmp_path, "scene", template(tmp_path)))
    script: Script = [[("pay", {"item": "b", "amount": 50})]]
    forgery.graph.invoke(prompt(script), forgery.scene.config("t"))
    forgery.sql("UPDATE gk_turns SET status = 'done'")
    found = judge(forgery.scene, forgery.graph, [script])
    assert _matching(r"thread t is \w+ and \('tools',\) is next", found.other)
    assert _matching("is open although its turn is over", found.other)
    assert _matching("the last message is of type ai", found.other)
    forgery.scene.close()


def test_a_question_about_what_nobody_proposed_is_found(forgery: Forgery) -> None:
    found = judge(forgery.scene, forgery.graph, [])
    assert _matching("nothing was proposed", found.wrong)
    assert _matching("note.* ran: nobody proposed it", found.wrong)


def test_an_open_question_of_a_turn_that_the_user_left_is_found(tmp_path: Path) -> None:
    forgery = open_scene(new_folder(tmp_path, "scene", template(tmp_path)))
    first: Script = [[("pay", {"item": "b", "amount": 50})]]
    second: Script = [[("pay", {"item": "g", "amount": 90})]]
    forgery.graph.invoke(prompt(first, name="first"), forgery.scene.config("t"))
    forgery.graph.invoke(prompt(second, name="second"), forgery.scene.config("t"))
    found = judge(forgery.scene, forgery.graph, [first, second])
    assert found.all() == ["thread t is paused, not over"]
    forgery.sql("UPDATE gk_approvals SET state = 'pending' WHERE turn = 1")
    (told,) = _matching("is open although its turn is over", forgery.judged().other)
    assert "'item': 'b'" in told
    forgery.scene.close()


def test_calls_that_nobody_answers_once_the_user_went_on_are_no_finding(tmp_path: Path) -> None:
    forgery = open_scene(new_folder(tmp_path, "scene", template(tmp_path)))
    first: Script = [[("pay", {"item": "b", "amount": 50})]]
    second: Script = [[("note", {"item": "g", "amount": 90})]]
    forgery.graph.invoke(prompt(first, name="first"), forgery.scene.config("t"))
    forgery.graph.invoke(prompt(second, name="second"), forgery.scene.config("t"))
    assert judge(forgery.scene, forgery.graph, [first, second]).all() == []
    forgery.scene.close()
