"""The demo, scene by scene."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from guardkit.core.approvals import Approval, DecisionKind
from guardkit.core.no_result import NoResult
from guardkit.core.outcomes import Outcome, Paused
from guardkit.core.people import Assurance
from guardkit.core.presentation import present
from guardkit.core.principals import Principal
from guardkit.core.values import JsonObject
from guardkit.demo.answering import DOCUMENTS, Desk, chat_model
from guardkit.demo.desk import claims_desk
from guardkit.demo.documents import TENANT
from guardkit.demo.processes import GRAPH, PATIENCE, first_line, free_port, listening, run, running, typed
from guardkit.demo.showing import Stage
from guardkit.errors import ConfigurationError, DecisionRefusedError
from guardkit.testing import ExtractiveModel

PERSON = "dana.demo@example.com"
CLERK = Principal(id="kim.demo@example.com", tenant=TENANT)


class Story:
    """The claims desk at work.

    Args:
        stage: prints.
        folder: database, payments and logs.
        model: a LangChain model for the questions; offline without.
        answer: what the demo person says; asked at the terminal without.
    """

    def __init__(self, stage: Stage, folder: Path, *, model: str | None, answer: str | None) -> None:
        self.stage = stage
        self.folder = folder
        self.model = model
        self.answer = answer
        self.desk = claims_desk(folder)

    def tell(self) -> None:
        """All scenes, in order."""
        self.stage.line(
            f"guardkit demo: an insurance claims desk. Everything it writes is in {self.folder}", "dim"
        )
        self.questions()
        port = free_port()
        with contextlib.ExitStack() as stack:
            stack.enter_context(running("worker", GRAPH, folder=self.folder, name="worker"))
            web = stack.enter_context(
                running(
                    "serve",
                    GRAPH,
                    "--port",
                    str(port),
                    "--link-for",
                    PERSON,
                    folder=self.folder,
                    name="inbox",
                )
            )
            link = first_line(web)
            listening(port)
            self.payment(link)
            self.mail()
            self.stop()
        self.audit()

    # --- verified answers ----------------------------------------------------------------------------------------------

    def questions(self) -> None:
        """One answered, one that the documents do not answer, three that only unauthorised documents answer."""
        stage, guard = self.stage, self.desk.guard
        inventing = ExtractiveModel(misbehave="invent") if self.model is None else chat_model(self.model)
        plain = chat_model(self.model)
        first = Desk(guard, DOCUMENTS, inventing, stage, name="questions-drafting-badly")
        other = Desk(guard, DOCUMENTS, plain, stage, name="questions")
        stage.scene(
            "A coverage question",
            "The draft holds a sentence that no document supports. It is found, and never leaves.",
        )
        self._ask(first, "Up to what amount is water damage from burst pipes covered?")
        stage.scene("A question that the documents do not answer", "No result, and why, instead of a guess.")
        self._ask(other, "Is damage by an earthquake or a volcano covered?")
        stage.scene(
            "Questions that only unauthorised documents answer",
            "A working draft, terms that have expired, and another company's terms: none of them counts.",
        )
        for question in (
            "Up to what amount is veterinary treatment of dogs and cats covered?",
            "Are broken windows replaced at no cost to the policyholder?",
            "Up to what amount is damage to the hull of a sailing boat covered?",
        ):
            self._ask(other, question)

    def _ask(self, desk: Desk, question: str) -> None:
        self.stage.line(f"\nquestion: {question}", "bold")
        self.stage.outcome(desk.ask(question, f"question-{time.time_ns()}"))

    # --- approval ------------------------------------------------------------------------------------------------------

    def payment(self, link: str) -> None:
        """A payment that a person has to approve."""
        self.stage.scene(
            "A payment that policy sends to a person",
            "The run pauses, durably. It goes on by itself, in another process, once the person has answered.",
        )
        before = len(self.desk.bank.payments())
        paused = self.say("Please pay claim C-1042.", "payment")
        approval = self._one(paused)
        self.stage.approval(present(approval))
        self.stage.line(f"inbox (one-time link for {PERSON}, a demo person): {link}", "cyan")
        self._decide(approval)
        outcome = self._until("payment", lambda found: not isinstance(found, Paused))
        self.stage.outcome(outcome)
        for payment in self.desk.bank.payments()[before:]:
            self.stage.line(
                f"the bank was called once, by process {payment['process']}: {payment['amount']} euros for {payment['claim']}"
            )
        self._ledger()

    def _ledger(self) -> None:
        for row in self.desk.guard.store.effects(tenant=TENANT):
            self.stage.line(
                f"ledger: {row.key} {row.state.value}, attempt {row.attempt}, approval {row.approval_id}"
            )

    def say(self, text: str, thread: str) -> Outcome:
        """Put a message to the claims desk's agent."""
        guard = self.desk.guard
        config = guard.config(thread, CLERK)
        self.stage.line(f"\nclerk: {text}", "bold")
        return guard.outcome(self.desk.graph.invoke({"messages": [("user", text)]}, config), config)

    def _one(self, outcome: Outcome) -> Approval:
        if not isinstance(outcome, Paused) or len(outcome.approvals) != 1:
            raise ConfigurationError(f"the demo expected one approval, not {type(outcome).__name__}")
        return outcome.approvals[0]

    def _decide(self, approval: Approval) -> None:
        if self.answer is not None or not sys.stdin.isatty():
            choice = self.answer or "approve"
            self.stage.line(f"{PERSON} (demo person) answers: {choice}", "cyan")
            self._submit(approval, choice)
            return
        self.stage.console.print(
            f"You are {escape(PERSON)}. Type [bold]a[/]pprove, [bold]e[/]dit or [bold]r[/]eject, or decide in the inbox."
        )
        self._prompt(approval)

    def _prompt(self, approval: Approval) -> None:
        """Take whichever comes first: a word at the terminal, or a decision in the inbox."""
        words = {"a": "approve", "e": "edit", "r": "reject"}
        typed: list[str] = []

        def listen() -> None:
            with contextlib.suppress(EOFError, ValueError):
                typed.append(input("> ").strip().lower())

        while True:
            threading.Thread(target=listen, daemon=True).start()
            while not typed:
                found = self.desk.guard.store.find(approval.request.id)
                if found is not None and found.state.settled:
                    self.stage.line("decided in the inbox", "cyan")
                    return
                time.sleep(0.2)
            choice = words.get(typed.pop()[:1])
            if choice is not None:
                self._submit(approval, choice)
                return

    def _submit(self, approval: Approval, choice: str) -> None:
        kinds: dict[str, DecisionKind] = {"approve": "approve", "edit": "edit", "reject": "reject"}
        args: JsonObject | None = {**approval.args, "amount": "450.00"} if choice == "edit" else None
        if args is not None:
            self.stage.line("edit: amount 480.00 becomes 450.00", "cyan")
        with contextlib.suppress(DecisionRefusedError):
            self.desk.guard.desk.decide(
                approval.request.id,
                identity=PERSON,
                digest=approval.digest,
                kind=kinds[choice],
                assurance=Assurance.LOCAL_OPERATOR,
                via="terminal",
                reason="not this one" if choice == "reject" else None,
                args=args,
            )

    def _until(self, thread: str, done: Callable[[Outcome], bool]) -> Outcome:
        guard = self.desk.guard
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found: Outcome = guard.outcome(None, guard.config(thread, CLERK))
            if done(found):
                return found
            time.sleep(0.2)
        raise ConfigurationError(
            f"thread {thread!r} did not go on in time", remedy="see worker.log in the demo's folder"
        )

    # --- step checks ---------------------------------------------------------------------------------------------------

    def mail(self) -> None:
        """A tool result that carries an instruction."""
        self.stage.scene(
            "A mail that tells the agent what to do",
            "The model obeys it. The account comes from the mail and from nobody who may name one, so nothing is paid.",
        )
        before = len(self.desk.bank.payments())
        outcome = self.say("Please read the mail M-7 and do what is needed.", "mail")
        self.stage.outcome(outcome)
        tenant_entries = self.desk.guard.store.entries(TENANT, 0, 100_000)
        for entry in tenant_entries:
            if entry.event.thread_id == "mail" and entry.event.kind in (
                "action.decided",
                "observation.checked",
            ):
                data = entry.event.data
                what = data.get("decision") or data.get("verdict")
                rules = data.get("rules")
                by = ", ".join(map(str, rules)) if isinstance(rules, list) else data.get("check")
                self.stage.line(f"audit: {data['tool']} {what} by {by}")
        self.stage.line(f"payments made by it: {len(self.desk.bank.payments()) - before}")

    # --- emergency stop ------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """One stop ends a running and a paused thread."""
        stage = self.stage
        stage.scene(
            "The emergency stop", "One command ends a running and a paused thread, until it is lifted."
        )
        approval = self._one(self.say("Please pay claim C-2077.", "paused"))
        running_thread = threading.Thread(
            target=self._quietly, args=("Please do the long survey.", "running")
        )
        running_thread.start()
        time.sleep(1.5)
        status, said = run(
            "stop",
            "set",
            "--tenant",
            TENANT,
            "--agent",
            "claims-desk",
            "--by",
            "demo operator",
            "--why",
            "fire drill",
        )
        stage.line(f"$ guardkit stop set --tenant {TENANT} --agent claims-desk: {said}")
        if status != 0:
            raise ConfigurationError("guardkit stop set failed")
        running_thread.join(PATIENCE)
        for thread in ("running", "paused"):
            outcome = self._until(thread, lambda found: isinstance(found, NoResult))
            stage.line(f"thread {thread}:")
            stage.outcome(outcome)
        try:
            self.desk.guard.desk.decide(
                approval.request.id, identity=PERSON, digest=approval.digest, kind="approve",
                assurance=Assurance.LOCAL_OPERATOR, via="terminal",
            )  # fmt: skip
        except DecisionRefusedError as refused:
            stage.line(f"a late yes on the stopped thread: {refused.message}")
        for order in self.desk.guard.store.stops():
            run("stop", "lift", order.id, "--by", "demo operator", "--why", "drill over")
        stage.line("lifted; turns that it ended stay ended")

    def _quietly(self, text: str, thread: str) -> None:
        guard = self.desk.guard
        self.desk.graph.invoke({"messages": [("user", text)]}, guard.config(thread, CLERK))

    # --- audit ---------------------------------------------------------------------------------------------------------

    def audit(self) -> None:
        """The chain verified, and where to go on."""
        self.stage.scene(
            "The audit log",
            "Every decision is in a hash chain. A head signed outside the database covers it.",
        )
        status, head = run("audit", "head", "--tenant", TENANT)
        if status != 0:
            raise ConfigurationError(f"guardkit audit head failed: {head}")
        path = self.folder / "audit-head.json"
        path.write_text(head + "\n", encoding="utf-8")
        status, said = run("audit", "verify", "--head", str(path))
        self.stage.line(said)
        if status != 0:
            raise ConfigurationError("the audit chain does not verify")
        os.environ.setdefault("COLUMNS", str(self.stage.console.width))
        status, told = run("trace", "payment", "--tenant", TENANT)
        if status != 0:
            raise ConfigurationError(f"guardkit trace failed: {told}")
        self.stage.line(f"\n$ guardkit trace payment --tenant {TENANT}")
        self.stage.line(told)
        guardkit = typed("guardkit")
        self.stage.line("\nGo on with", "bold")
        self.stage.line(f"  {guardkit} demo --docs DIR --question '…'   answers from your own documents")
        self.stage.line(
            f"  {typed('python')} examples/01_guard_a_tool.py   one guardrail on an ordinary graph"
        )
        self.stage.line(
            f"  GUARDKIT_DATABASE={os.environ['GUARDKIT_DATABASE']} {guardkit} db threads   what the demo left behind"
        )
