"""Guard: the composition root. It puts the rooms together; each part is usable without it."""

# pyright: reportMissingTypeStubs=false

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.types import Command

from guardkit.channels.host import Attaching, ChannelHost, check_nobody_listens
from guardkit.checks import (
    Assessor,
    default_action_checks,
    default_assessors,
    default_observation_checks,
    unusual_behaviour,
)
from guardkit.core.anomalies import Watch
from guardkit.core.keys import DecisionKey, Keys
from guardkit.core.outcomes import Outcome, Question
from guardkit.core.people import Directory
from guardkit.core.ports import ApprovalChannel
from guardkit.core.principals import Principal
from guardkit.core.settings import load_settings
from guardkit.core.signing import Verifier
from guardkit.core.telemetry_names import ERROR_TYPE, STORAGE_FAULTS
from guardkit.core.verdicts import ActionCheck, ObservationCheck
from guardkit.errors import ConfigurationError, MissingKeyError
from guardkit.langgraph.answering import Answering
from guardkit.langgraph.compiling import compiled
from guardkit.langgraph.declarations import Declarations
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.outcomes import outcome_of
from guardkit.langgraph.resuming import config_for
from guardkit.langgraph.runs import CALLER, TENANT, Caller
from guardkit.langgraph.wrapping import NodeHost
from guardkit.otel import OpenTelemetry
from guardkit.policy import PeopleDirectory, Policy
from guardkit.runtime.delegations import Delegations
from guardkit.runtime.desk import Desk
from guardkit.runtime.events import NoTelemetry, Quiet, Telemetry
from guardkit.runtime.heartbeat import Heartbeat
from guardkit.runtime.observing import answer
from guardkit.runtime.parts import USUAL, Part, parts_of
from guardkit.runtime.session import Services
from guardkit.runtime.tools import ToolSpec
from guardkit.runtime.watching import Watching
from guardkit.sql import Database, SQLAlchemySaver, SQLAnomalies, SQLStore
from guardkit.worker import Resumer, Worker


class Guard(Declarations, Answering):
    """Guards LangGraph agents.

    Args:
        database: SQLAlchemy URL, e.g. `sqlite:///claims.db`, or a `Database`, e.g. one with encryption keys.
        policy: a policy file, or a `Policy`.
        channels: approval channels by the names that the policy uses. The web inbox needs none.
        keys: this process's keys; a graph whose policy asks people needs `decision_public_keys`, and no others.
        directory: who people are; by default the policy's `directory:` file.
        action_checks: (name, check) pairs that judge every action, in place of the defaults.
        observation_checks: the same for what tools return.
        assessors: the same for what follows an observation.
        telemetry: sees decisions go by; none by default.
        decide_at: where people decide, e.g. the inbox's URL; shown in interrupts.
        lease_seconds: a run whose process dies is taken over after that time.
        check_timeout: seconds that an async check may take; a late one blocks.
        watch: whether agents are watched for unusual behaviour, and what follows. Its check joins `action_checks`, and
            its worker looks.

    Raises:
        ConfigurationError: something does not fit together.
        MissingKeyError: the policy asks people, and no public key says whose decisions count.
        PolicyError: the policy cannot be enforced as written.
        StorageError: the database cannot be reached.
    """

    def __init__(
        self,
        database: str | Database,
        *,
        policy: str | Path | Policy,
        channels: Mapping[str, ApprovalChannel] | None = None,
        keys: Keys | None = None,
        directory: Directory | None = None,
        action_checks: Sequence[tuple[str, ActionCheck]] | None = None,
        observation_checks: Sequence[tuple[str, ObservationCheck]] | None = None,
        assessors: Sequence[tuple[str, Assessor]] | None = None,
        telemetry: Telemetry | None = None,
        decide_at: str | None = None,
        lease_seconds: float = 30.0,
        check_timeout: float = 10.0,
        watch: Watch | None = None,
    ) -> None:
        super().__init__()
        self.policy = policy if isinstance(policy, Policy) else Policy.from_file(policy)
        self.keys = keys or Keys()
        self._all_keys: Callable[[], Keys] = lambda: self.keys
        self._key = DecisionKey(lambda: self._all_keys().decision_signer())
        if self.policy.document.approvals and not self.keys.decision_public_keys:
            raise MissingKeyError(
                f"policy {self.policy.name!r} asks people, and no decision_public_keys say whose decisions count",
                remedy="set GUARDKIT_DECISION_PUBLIC_KEYS or pass keys=Keys(...)",
            )
        self.directory: Directory = directory or self.policy.directory or PeopleDirectory(())
        self.channels = dict(channels or {})
        self.database = Database(database) if isinstance(database, str) else database
        self.store = SQLStore(self.database)
        self._watch = watch
        self._anomalies = SQLAnomalies(self.database)
        judging = tuple(action_checks) if action_checks is not None else default_action_checks()
        if watch is not None:
            judging = (*judging, unusual_behaviour(self._anomalies, watch))
        self._checks = (
            judging,
            tuple(observation_checks) if observation_checks is not None else default_observation_checks(),
            tuple(assessors) if assessors is not None else default_assessors(),
        )
        self._quiet = Quiet(telemetry or NoTelemetry())
        self._telemetry: Telemetry = NoTelemetry() if telemetry is None else self._quiet
        self.database.on_fault = lambda kind: self._telemetry.measure(STORAGE_FAULTS, 1, {ERROR_TYPE: kind})
        self._decide_at = decide_at
        self._check_timeout = check_timeout
        self._heartbeat = Heartbeat(lease_seconds)
        self.graphs: dict[str, GuardedGraph] = {}
        self._desk = Desk(self.store, self.directory, self._key, self._telemetry)
        self._attach = Attaching(self.channels, self._host)

    @classmethod
    def from_env(cls, folder: str | Path = ".", **options: Any) -> "Guard":
        """A guard as `guardkit.toml` in a folder and the environment describe it.

        The decision key is read only where answers are taken: by `desk`, `app`, and a `worker` that does.

        Args:
            folder: where `guardkit.toml` is, if there is one.
            options: passed on to `Guard`, e.g. `channels`; `telemetry` is `OpenTelemetry()` unless they name another.

        Raises:
            ConfigurationError: something is missing or unknown.
        """
        settings = load_settings(os.environ, Path(folder), deciding=False)
        guard = cls(
            Database.from_settings(settings),
            policy=settings.need_policy(),
            keys=settings.keys,
            decide_at=settings.inbox_url,
            telemetry=options.pop("telemetry", OpenTelemetry()),
            **options,
        )
        place = Path(folder).absolute()
        guard._all_keys = lambda: load_settings(os.environ, place).keys
        return guard

    # --- compiling -------------------------------------------------------------------------------------------------

    def compile(
        self,
        builder: StateGraph[Any, Any, Any, Any],
        *,
        name: str = "agent",
        messages_key: str = "messages",
        checkpointer: BaseCheckpointSaver[Any] | Literal[False] | None = None,
        **options: Any,
    ) -> GuardedGraph:
        """Compile an ordinary builder into a guarded graph. The builder itself is left as it is.

        Args:
            builder: the graph.
            name: the agent's name; the worker, stops and audits know the graph by it.
            messages_key: the state key that holds the messages.
            checkpointer: another saver than the guard's own. Fencing (P11) then rests on that saver.
            options: passed to LangGraph's `compile`: `store`, `interrupt_before`, `interrupt_after`, `debug`, `cache`.

        Raises:
            CanaryError: the installed LangGraph does not hold guardkit's gates.
            CompileError: a node caches its results, the state has a `guard` key, or two tools have one name.
            PolicyError: the policy does not fit the tools.
            UndeclaredToolError: a tool is neither decorated nor named by the policy.
        """
        saver = SQLAlchemySaver(self.database) if checkpointer is None else checkpointer
        if isinstance(saver, SQLAlchemySaver):
            saver.audit_buffer = self._heartbeat

        def services(policy: Policy, tools: Mapping[str, ToolSpec]) -> Services:
            return Services(
                agent=name,
                store=self.store,
                policy=policy,
                tools=tools,
                action_checks=self._checks[0],
                observation_checks=self._checks[1],
                assessors=self._checks[2],
                directory=self.directory,
                verifier=Verifier(self.keys.decision_public_keys),
                telemetry=self._telemetry,
                check_timeout=self._check_timeout,
                decide_at=self._decide_at,
            )

        graph = compiled(
            builder,
            declared=self._tools,
            policy=self.policy,
            services=services,
            heartbeat=self._heartbeat,
            host=NodeHost(messages_key=messages_key, offload=self.database.offload, options=self._nodes),
            options={"checkpointer": saver, "name": name, **options},
        )
        graph.owner = self
        self.graphs[name] = graph
        return graph

    # --- running ---------------------------------------------------------------------------------------------------

    def config(self, thread_id: str, principal: Principal | None = None) -> RunnableConfig:
        """The config of a run in this process.

        Args:
            thread_id: the thread.
            principal: who new input comes from, as this program has verified; not needed to go on with a turn.
        """
        if principal is None:
            return config_for("default", thread_id)
        caller = Caller(principal, principal.tenant)
        return {"configurable": {"thread_id": thread_id, CALLER: caller, TENANT: principal.tenant}}

    def outcome(self, output: Any, config: RunnableConfig) -> Outcome:
        """How a call ended: a verified `Answer`, a `NoResult`, `Paused`, or `Finished` without verification.

        Args:
            output: what `invoke` or `ainvoke` returned.
            config: the config that it was called with.

        Raises:
            InputError: the config names no thread, or a thread whose latest turn failed or that has none.
        """
        return outcome_of(self.store, self.graphs, output, config)

    def reply(self, question: Question, text: str) -> Command[Any]:
        """The input that answers a question which the user was asked. It answers no other question."""
        return Command(resume={question.interrupt_id: answer(question.action_id, text)})

    @property
    def observed(self) -> bool:
        """Whether it was given a telemetry."""
        return not isinstance(self._telemetry, NoTelemetry)

    @property
    def telemetry_faults(self) -> int:
        """How often the telemetry has raised in this process. No run was touched by it."""
        return self._quiet.faults

    # --- the processes around it -----------------------------------------------------------------------------------

    @property
    def desk(self) -> Desk:
        """Where people's decisions come in.

        Raises:
            MissingKeyError: this process has no decision key, so it may not verify people.
        """
        self._key.open()
        return self._desk

    def app(self, *, settings: Any = None, sign_in: Any = None) -> Any:
        """The approval inbox as an ASGI application (a `starlette.applications.Starlette`). Needs the extra `web`.

        Args:
            settings: `guardkit.web.WebSettings`; by default loopback, keyed by `web_secret`.
            sign_in: a `guardkit.web.SignIn`; by default one-time links, which only a loopback inbox accepts.

        Raises:
            ConfigurationError: the extra is not installed, or the settings would serve people unsafely.
            MissingKeyError: this process has no decision key or no web secret.
        """
        try:
            from guardkit import web  # noqa: PLC0415  # an optional extra
        except ImportError as error:
            raise ConfigurationError(
                "the inbox needs the extra 'web'", remedy="pip install guardkit[web]"
            ) from error
        if settings is None:
            secret = self.keys.web_secret
            settings = web.WebSettings(keys=() if secret is None else (secret,))
        desk = self.desk
        self._attach()
        return web.inbox(
            desk,
            self.store,
            self.directory,
            settings,
            sign_in=sign_in or web.OneTimeLink(settings),
            channels=self.channels,
            attach=self._attach,
            ready=self.ready,
        )

    def ready(self) -> None:
        """See that this process can do its work: the database answers with the right tables, and decisions taken here count.

        Raises:
            ConfigurationError: the tables are not those of this code, or decisions taken here do not count.
            StorageError: the database cannot be reached.
        """
        self.database.check()
        self._key.check(self.keys.decision_public_keys)

    def _host(self, name: str) -> ChannelHost:
        return ChannelHost(
            name=name,
            desk=self._desk,
            store=self.store,
            directory=self.directory,
            inbox=self._decide_at,
            secret=self.keys.web_secret,
        )

    def worker(
        self,
        *graphs: GuardedGraph,
        remote: Mapping[str, Resumer] | None = None,
        parts: Collection[str] = USUAL,
        **options: Any,
    ) -> Worker:
        """A worker for these graphs, or for all that were compiled but those that `remote` names, which run elsewhere.

        Args:
            graphs: the graphs.
            remote: the agents on LangGraph servers, by name.
            parts: what it does: `runs`, `messages`, `answers`; see `guardkit.runtime.parts`. Only `answers` needs the
                decision key, which then should not be where the tools of graphs run.
            options: passed to `Worker`.

        Raises:
            MissingKeyError: it takes answers, and this process has no decision key.
            ConfigurationError: a channel lacks a token, a key or an extra, or would take answers in a worker that does not.
        """
        does = parts_of(parts)
        if Part.ANSWERS in does:
            self._key.open()
        elif Part.MESSAGES in does:
            check_nobody_listens(self.channels)
        if Part.MESSAGES in does or Part.ANSWERS in does:
            self._attach()
        own = {name: graph for name, graph in self.graphs.items() if name not in (remote or {})}
        runs = {graph.runs.services.agent: graph for graph in graphs} or own
        return Worker(
            graphs=runs if Part.RUNS in does else {},
            remote=remote if Part.RUNS in does else None,
            store=self.store,
            desk=self._desk,
            channels=self.channels,
            offload=self.database.offload,
            attach=self._attach,
            delegations=Delegations(self.store, self.directory),
            watching=None if self._watch is None else Watching(self._anomalies, self._watch, self._telemetry),
            parts=does,
            **options,
        )
