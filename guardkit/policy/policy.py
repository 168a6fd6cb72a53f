"""The policy: what is enforced on actions and sources, and how people are asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guardkit.core.decisions import Decision
from guardkit.core.digest import sha256
from guardkit.core.people import Directory
from guardkit.core.sources import Source
from guardkit.core.steps import Action
from guardkit.core.terms import Terms
from guardkit.core.values import JsonObject
from guardkit.errors import ConstitutionError, PolicyError
from guardkit.policy.conditions import Condition, Scope, UnevaluableError
from guardkit.policy.consistency import check_names, check_people, routes_of
from guardkit.policy.constitution import ANYWHERE, Constitution, Principle
from guardkit.policy.document import Budgets, PolicyDocument, ToolEntry, as_mapping
from guardkit.policy.facts import Facts
from guardkit.policy.json_schema import shape_of
from guardkit.policy.loading import Located, Where, read_file
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.routes import ApprovalRoute, hashed
from guardkit.policy.rules import (
    CheckedRule,
    ToolRules,
    action_scope,
    default_decision,
    otherwise_decision,
    rule_decision,
)
from guardkit.policy.sections import did_you_mean, parse_section
from guardkit.policy.shapes import ANYTHING
from guardkit.policy.source_scope import SOURCE_SCOPE, source_values
from guardkit.policy.standing import check_standing
from guardkit.policy.syntax import ConditionError
from guardkit.policy.timing import check_times
from guardkit.policy.tools import ToolSchema


class Policy:
    """A policy that is consistent in itself. Never changes.

    Args:
        document: what the policy says.
        directory: the people who may be asked; needed where there are approvals.
        constitution: the principles that drafts are held against.
        tools: all tools of the graph by name, to check the rules against; see `bind`.
        located: the document as it was written, so that errors can name lines.

    Raises:
        PolicyError: it cannot be enforced as written.
        ConstitutionError: the constitution does not go with it.
    """

    def __init__(
        self,
        document: PolicyDocument,
        *,
        directory: Directory | None = None,
        constitution: Constitution | None = None,
        tools: Mapping[str, ToolSchema] | None = None,
        located: Located | None = None,
    ) -> None:
        self.document = document
        self.name = document.policy
        self.version = document.version
        self.hash = sha256("guardkit.policy.v1", as_mapping(document))
        self.budgets: Budgets = document.budgets
        self.directory = directory
        self.constitution = constitution
        self.tools = None if tools is None else MappingProxyType(dict(tools))
        self._located = located or Located(data={})
        check_names(document, self._located)
        check_times(document, self._located)
        check_people(document, self._located, directory)
        self._check_jurisdictions()
        self._check_tools()
        calendars = document.known_calendars()
        self._routes = {
            name: ApprovalRoute.of(name, entry, calendars, delegation=document.delegation)
            for name, entry in document.approvals.items()
        }
        self._merged: dict[tuple[str, ...], ApprovalRoute] = {}
        self._hashes: dict[tuple[str, tuple[str, ...]], str] = {}
        self._default = default_decision(document.default, document.review)
        self._rules = {tool: self._checked(tool, entry) for tool, entry in document.tools.items()}
        self._admit: Condition | None = None
        if document.sources is not None:
            self._admit = self._condition(document.sources.admit, SOURCE_SCOPE, ("sources", "admit"))

    @classmethod
    def from_file(cls, path: str | Path, *, directory: Directory | None = None) -> "Policy":
        """The policy in a YAML file, with the people and the constitution that it names.

        Args:
            path: the file; names of other files in it are relative to it.
            directory: people to ask instead of those of the file's `directory`.

        Raises:
            PolicyError: with file, line, field and remedy.
            ConstitutionError: the same about the constitution.
        """
        path = Path(path)
        located = read_file(path, PolicyError)
        document = parse_section(PolicyDocument, located, PolicyError)
        if directory is None and document.directory is not None:
            directory = PeopleDirectory.from_file(path.parent / document.directory)
        constitution: Constitution | None = None
        if document.constitution is not None:
            constitution = Constitution.from_file(path.parent / document.constitution)
        return cls(document, directory=directory, constitution=constitution, located=located)

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        *,
        directory: Directory | None = None,
        constitution: Constitution | None = None,
    ) -> "Policy":
        """The policy that a mapping holds, of the same form as the file.

        Args:
            data: JSON values. Its `directory` and `constitution` are names only: no file is read.
            directory: the people who may be asked.
            constitution: the principles that drafts are held against.

        Raises:
            PolicyError: with field and remedy.
            ConstitutionError: the constitution does not go with it.
        """
        located = Located(data=dict(data))
        document = parse_section(PolicyDocument, located, PolicyError)
        return cls(document, directory=directory, constitution=constitution, located=located)

    def bind(self, tools: Mapping[str, ToolSchema]) -> "Policy":
        """This policy, its rules checked against the tools' arguments.

        Until then a tool with rules is rejected: a condition that was checked against nothing may never match.

        Args:
            tools: all tools of the graph by name; the policy need not name them all.

        Raises:
            PolicyError: it names a tool that does not exist, or a condition does not fit a tool's arguments.
        """
        return Policy(
            self.document,
            directory=self.directory,
            constitution=self.constitution,
            tools=tools,
            located=self._located,
        )

    def _check_jurisdictions(self) -> None:
        for principle in self.principles:
            if principle.jurisdiction not in (ANYWHERE, *self.document.jurisdictions):
                raise ConstitutionError(
                    f"principle {principle.id!r} holds in {principle.jurisdiction!r}, and the policy "
                    f"{self.name!r} does not name that jurisdiction",
                    field=f"principles.{principle.id}.jurisdiction",
                    remedy="name it in the policy's jurisdictions, or leave the principle out",
                )

    def _check_tools(self) -> None:
        for tool in self.document.tools:
            if self.tools is not None and tool not in self.tools:
                raise self._located.problem(
                    PolicyError,
                    ("tools", tool),
                    f"there is no tool {tool!r}",
                    remedy=did_you_mean(tool, self.tools),
                )
        if self.tools is None:
            return
        for name, route in self.document.approvals.items():
            if route.standing is not None:
                asked = {
                    tool: schema
                    for tool, schema in self.tools.items()
                    if name in routes_of(self.document, self.document.tools.get(tool))
                }
                check_standing(route.standing, ("approvals", name, "standing"), self._located, asked)

    def _condition(self, source: str, scope: Scope, where: Where) -> Condition:
        try:
            return Condition(source, scope)
        except ConditionError as error:
            shown = source if len(source) <= 120 else f"{source[:117]}..."
            place = "" if error.at is None else f", at character {error.at + 1}"
            raise self._located.problem(
                PolicyError, where, f"the condition {shown!r} {error.message}{place}", remedy=error.remedy
            ) from error

    def _checked(self, tool: str, entry: ToolEntry) -> ToolRules:
        schema = None if self.tools is None else self.tools[tool]
        scope = action_scope(ANYTHING if schema is None else shape_of(schema.json_schema))
        route = entry.approval or self.document.review
        checked = tuple(
            CheckedRule(
                id=rule.id,
                condition=self._condition(rule.when, scope, ("tools", tool, "rules", number, "when")),
                decision=rule_decision(rule, rule.approval or route),
            )
            for number, rule in enumerate(entry.rules)
        )
        return ToolRules(
            otherwise=otherwise_decision(tool, entry, route),
            rules=checked,
            schema_version=None if schema is None else schema.schema_version,
        )

    @property
    def principles(self) -> tuple[Principle, ...]:
        """The constitution's principles; none without a constitution."""
        return () if self.constitution is None else self.constitution.principles

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the approval channels that the routes use, sorted."""
        stages = (stage for route in self._routes.values() for stage in route.stages)
        glasses = (route.break_glass for route in self._routes.values())
        review = {name for glass in glasses if glass is not None for name in glass.review_channels}
        return tuple(sorted({name for stage in stages for name in stage.all_channels} | review))

    def rules(self, tool: str) -> ToolRules | None:
        """What holds for a tool, compiled; `None` for a tool without an entry."""
        return self._rules.get(tool)

    def line(self, where: Where) -> int | None:
        """The line of an entry in the policy's file, if it came from one."""
        return self._located.line(where)

    def decide(self, action: Action, facts: Facts) -> Decision:
        """What is enforced on an action. Pure and total: it never raises; what cannot be judged is a `Reject`.

        Args:
            action: the proposed call, arguments validated.
            facts: its circumstances.
        """
        entry = self._rules.get(action.tool)
        return self._default if entry is None else entry.decide(action, facts)

    def review_routes(self, action: Action) -> tuple[str, ...]:
        """The route for checks that ask for review of an action: the tool's own, else the policy's; maybe none."""
        entry = self.document.tools.get(action.tool)
        route = self.document.review if entry is None else entry.approval or self.document.review
        return () if route is None else (route,)

    def route(self, names: Sequence[str]) -> ApprovalRoute:
        """How people are asked when all named routes must agree; see `ApprovalRoute.merged`.

        Raises:
            PolicyError: no name, or one that the policy does not have.
        """
        key = tuple(sorted(set(names)))
        if key not in self._merged:
            unknown = [name for name in key if name not in self._routes]
            if unknown or not key:
                raise PolicyError(
                    f"route {unknown[0]!r} is not among the approvals"
                    if unknown
                    else "no approval route is named",
                    field="approvals",
                    remedy=did_you_mean(unknown[0] if unknown else "", self._routes),
                )
            self._merged[key] = ApprovalRoute.merged([self._routes[name] for name in key])
        return self._merged[key]

    def route_hash(self, tool: str, routes: Sequence[str]) -> str:
        """Hash of all that decides how calls of a tool are put to people on these routes.

        While it is the same in today's policy, an approval given under an earlier one stands. A route that no longer
        exists changes it. Calendars do not: an open question keeps the one it was asked with.
        """
        key = (tool, tuple(sorted(set(routes))))
        if key not in self._hashes:
            document = self.document
            entry = document.tools.get(tool)
            fields: JsonObject = {
                "default": document.default,
                "review": document.review,
                "delegation": document.delegation,
                "entry": None if entry is None else entry.model_dump(mode="json"),
                "routes": self._hashes_of(key[1]),
            }
            self._hashes[key] = sha256("guardkit.route.v1", fields)
        return self._hashes[key]

    def terms(self, tool: str, routes: Sequence[str]) -> Terms:
        """What `route_hash` is made of: each rule of the tool by itself, so that a change of one leaves the others' calls alone."""
        entry = self.document.tools.get(tool)
        fields: JsonObject = {
            "default": self.document.default,
            "review": self.document.review,
            "delegation": self.document.delegation,
            "entry": None if entry is None else entry.model_dump(mode="json", exclude={"rules"}),
            "routes": self._hashes_of(routes),
        }
        return Terms(
            rules={
                rule.id: sha256("guardkit.rule.v1", rule.model_dump(mode="json"))
                for rule in (() if entry is None else entry.rules)
            },
            rest=sha256("guardkit.terms.v1", fields),
        )

    def _hashes_of(self, routes: Sequence[str]) -> JsonObject:
        approvals = self.document.approvals
        return {name: hashed(approvals[name]) if name in approvals else None for name in routes}

    def admits(self, source: Source) -> bool:
        """Whether the policy lets answers rest on a source. It can only narrow what is enforced anyway.

        A condition that cannot be evaluated admits nothing.
        """
        if self._admit is None:
            return True
        try:
            return self._admit.holds(source_values(source))
        except UnevaluableError:
            return False
