"""What is allowed in a policy and probably not meant."""

from collections.abc import Iterator
from itertools import combinations
from typing import TypeAlias

from guardkit.core.decisions import rank
from guardkit.core.steps import ToolKind
from guardkit.core.values import Value
from guardkit.errors import PolicyError
from guardkit.policy.consistency import check_seats, eligible, routes_of, tenants
from guardkit.policy.constancy import constant
from guardkit.policy.document import RouteEntry
from guardkit.policy.loading import Located, Where, dotted
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.policy import Policy
from guardkit.policy.rules import CheckedRule


class Finding(Value):
    """One warning."""

    code: str
    """Stable name of the kind of warning, e.g. `rule-never-matches`."""

    field: str
    """Dotted path of the entry in the policy."""

    line: int | None
    """1-based line in the policy's file, if it came from one."""

    message: str


_Warning: TypeAlias = tuple[str, Where, str]


def lint(policy: Policy) -> tuple[Finding, ...]:
    """What deserves a second look, by line.

    A policy that is bound to tools is looked at more closely: only then is known which of them are effects.
    """
    findings = [
        Finding(code=code, field=dotted(where), line=policy.line(where), message=message)
        for look in (_rules, _effects, _routes, _calendars, _quorum, _whole)
        for code, where, message in look(policy)
    ]
    return tuple(sorted(findings, key=lambda found: (found.line or 0, found.field, found.code)))


def _rules(policy: Policy) -> Iterator[_Warning]:
    for tool in policy.document.tools:
        held = policy.rules(tool)
        seen: dict[str, str] = {}
        for number, rule in enumerate(held.rules if held is not None else ()):
            where: Where = ("tools", tool, "rules", number, "when")
            for code, message in _condition(rule):
                yield code, where, message
            text = str(rule.condition)
            if text in seen:
                yield "rule-repeated", where, f"rules {seen[text]!r} and {rule.id!r} have the same condition"
            seen.setdefault(text, rule.id)
            if held is not None and rank(rule.decision) < rank(held.otherwise):
                change = f"{rule.decision.kind!r} instead of {held.otherwise.kind!r}"
                yield "rule-is-exception", where, f"where only rule {rule.id!r} matches, calls get {change}"


def _condition(rule: CheckedRule) -> Iterator[tuple[str, str]]:
    answer = constant(rule.condition.tree)
    if answer is False:
        yield "rule-never-matches", f"rule {rule.id!r} can never match"
    if answer is True:
        yield "rule-always-matches", f"rule {rule.id!r} always matches, so `otherwise` never holds"
    for path in rule.condition.unguarded:
        remedy = f"guard it with `{path} != null && ...` if that is not meant"
        yield "null-unguarded", f"rule {rule.id!r} rejects calls in which {path} is null; {remedy}"


def _effects(policy: Policy) -> Iterator[_Warning]:
    for name, tool in (policy.tools or {}).items():
        entry = policy.document.tools.get(name)
        if tool.kind is not ToolKind.EFFECT or entry is None:
            continue
        if entry.otherwise == "allow":
            rules = "and has no rules" if not entry.rules else "where no rule matches"
            yield "effect-allowed", ("tools", name), f"{name!r} is an effect and runs unasked {rules}"
        for route in routes_of(policy.document, entry):
            if sum(stage.required for stage in policy.route([route]).stages) == 1:
                yield (
                    "effect-one-approver",
                    ("approvals", route, "stages"),
                    f"one person alone can approve the effect {name!r}",
                )


def _routes(policy: Policy) -> Iterator[_Warning]:
    document = policy.document
    used = {
        document.review,
        *(name for entry in document.tools.values() for name in routes_of(document, entry)),
    }
    used |= {entry.approval for entry in document.tools.values()}
    for name, route in document.approvals.items():
        where: Where = ("approvals", name)
        if name not in used:
            yield "route-unused", where, f"no tool and no check uses the route {name!r}"
        if route.on_expiry == "keep":
            yield "expiry-keep", (*where, "on_expiry"), "questions that nobody answers stay open for ever"
        if route.valid_for is None:
            yield "valid-for-ever", where, "without valid_for an approval can be used long after it was given"
        if not route.exclude_requester:
            yield (
                "requester-decides",
                (*where, "exclude_requester"),
                f"whoever started the turn may approve what comes of it: {_reason(route)}",
            )


def _reason(route: RouteEntry) -> str:
    return "no reason is named" if route.exemption is None else route.exemption.reason


def _calendars(policy: Policy) -> Iterator[_Warning]:
    routes = policy.document.approvals.values()
    used = {one.calendar for route in routes for one in (route, *route.stages)}
    for name in policy.document.calendars:
        if name not in used:
            yield "calendar-unused", ("calendars", name), f"no route and no stage uses the calendar {name!r}"


def _quorum(policy: Policy) -> Iterator[_Warning]:
    directory = policy.directory
    if not isinstance(directory, PeopleDirectory):
        return
    for name, entry in policy.document.approvals.items():
        for number, stage in enumerate(policy.route([name]).stages):
            for tenant in tenants(directory):
                able = eligible(stage, directory.people, tenant)
                spare = len(able) - stage.required
                where: Where = ("approvals", name, "stages", number)
                if spare < 0:
                    yield (
                        "tenant-without-approvers",
                        where,
                        f"in tenant {tenant!r} only {len(able)} of the {stage.required} people needed are eligible",
                    )
                elif spare == 0 and entry.exclude_requester:
                    who = f"in tenant {tenant!r} exactly {len(able)} can answer"
                    yield "no-spare-approver", where, f"{who}: what one of them starts can never be approved"
    for tool, entry in policy.document.tools.items():
        names = routes_of(policy.document, entry)
        for pair in combinations(names, 2):
            try:
                check_seats(("tools", tool), policy.route(pair).stages, Located(data={}), directory)
            except PolicyError as problem:
                yield (
                    "routes-together",
                    ("tools", tool),
                    f"a call that needs both {pair[0]!r} and {pair[1]!r} can never be approved: {problem.message}",
                )


def _whole(policy: Policy) -> Iterator[_Warning]:
    document = policy.document
    missing = [name for name in ("steps", "tool_calls", "seconds") if getattr(document.budgets, name) is None]
    if missing:
        yield "no-budget", ("budgets",), f"a turn has no limit of {', '.join(missing)}"
    if document.review is None:
        yield (
            "no-review",
            (),
            "a check that asks for review of a tool without a route rejects, because there is no `review` route",
        )
