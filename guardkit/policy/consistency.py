"""What a policy's parts must be to one another: names that exist, routes that people can answer."""

from collections.abc import Iterable, Iterator, Sequence

from guardkit.core.people import Directory, Person
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.errors import PolicyError
from guardkit.policy.document import Approver, PolicyDocument, ToolEntry
from guardkit.policy.emergencies import check_glass
from guardkit.policy.loading import Located, Where
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.quorum import Seats, seats_filled
from guardkit.policy.routes import stage_of, step_of
from guardkit.policy.sections import did_you_mean


def check_names(document: PolicyDocument, located: Located) -> None:
    """Refuse routes that do not exist, escalations without a route, and rule ids that stand twice.

    Raises:
        PolicyError: with file, line and remedy.
    """
    for where, route in _named_routes(document):
        if route not in document.approvals:
            raise located.problem(
                PolicyError,
                where,
                f"route {route!r} is not among the approvals",
                remedy=did_you_mean(route, document.approvals),
            )
    for where in _escalations_without_route(document):
        raise located.problem(
            PolicyError,
            where,
            "escalates, and names no route",
            remedy="name one with `approval`, or one for the whole policy with `review`",
        )
    first: dict[str, Where] = {}
    for tool, entry in document.tools.items():
        for number, rule in enumerate(entry.rules):
            where: Where = ("tools", tool, "rules", number, "id")
            if rule.id in first:
                earlier = located.line(first[rule.id])
                place = f"in line {earlier}" if earlier is not None else f"of tool {first[rule.id][1]!r}"
                raise located.problem(
                    PolicyError,
                    where,
                    f"rule id {rule.id!r} stands twice, first {place}",
                    remedy="decisions and the audit log name rules by id: give each its own",
                )
            first[rule.id] = where


def _named_routes(document: PolicyDocument) -> Iterator[tuple[Where, str]]:
    if document.review is not None:
        yield ("review",), document.review
    for tool, entry in document.tools.items():
        if entry.approval is not None:
            yield ("tools", tool, "approval"), entry.approval
        for number, rule in enumerate(entry.rules):
            if rule.approval is not None:
                yield ("tools", tool, "rules", number, "approval"), rule.approval


def _escalations_without_route(document: PolicyDocument) -> Iterator[Where]:
    if document.review is not None:
        return
    if document.default == "escalate":
        yield ("default",)
    for tool, entry in document.tools.items():
        if entry.approval is not None:
            continue
        if entry.otherwise == "escalate":
            yield ("tools", tool, "otherwise")
        for number, rule in enumerate(entry.rules):
            if rule.decide == "escalate" and rule.approval is None:
                yield ("tools", tool, "rules", number, "decide")


def routes_of(document: PolicyDocument, entry: ToolEntry | None) -> tuple[str, ...]:
    """Every route that calls of a tool can be sent on by the policy, sorted."""
    if entry is None:
        names = {document.review} if document.default == "escalate" else set[str | None]()
    else:
        own = entry.approval or document.review
        names = {rule.approval or own for rule in entry.rules if rule.decide == "escalate"}
        if entry.otherwise == "escalate":
            names.add(own)
    return tuple(sorted(name for name in names if name is not None))


def check_people(document: PolicyDocument, located: Located, directory: Directory | None) -> None:
    """Refuse routes that nobody, or too few people, could answer.

    A directory that is not a `PeopleDirectory` cannot be listed, so it is asked only when people decide.

    Raises:
        PolicyError: with file, line and remedy.
    """
    if not document.approvals:
        return
    if directory is None:
        raise located.problem(
            PolicyError,
            ("approvals",),
            "there are approvals and no directory of people",
            remedy="name a people file with `directory`, or hand one in",
        )
    if not isinstance(directory, PeopleDirectory):
        return
    calendars = document.known_calendars()
    for name, route in document.approvals.items():
        for number, stage in enumerate(route.stages):
            place: Where = ("approvals", name, "stages", number)
            _check_named(stage.role, stage.approvers, (*place, "approvers"), located, directory)
            _check_stage(stage_of(stage, route, calendars), place, located, directory)
        stages = tuple(stage_of(stage, route, calendars) for stage in route.stages)
        check_seats(("approvals", name, "stages"), stages, located, directory)
        for number, step in enumerate(route.escalate):
            place = ("approvals", name, "escalate", number)
            _check_named(step.role, step.add, (*place, "add"), located, directory)
            _check_step(step_of(step), place, located, directory)
        if route.exemption is not None:
            _check_named(
                None,
                route.exemption.people or (),
                ("approvals", name, "exemption", "people"),
                located,
                directory,
            )
        if route.break_glass is not None:
            check_glass(route.break_glass, ("approvals", name, "break_glass"), located, directory)


def _check_named(
    role: str | None, listed: Sequence[Approver], where: Where, located: Located, directory: PeopleDirectory
) -> None:
    """Refuse roles, groups and people that the directory does not have."""
    roles = {role for person in directory.people for role in person.roles}
    groups = {group for person in directory.people for group in person.groups}
    if role is not None and role not in roles:
        raise located.problem(
            PolicyError,
            (*where[:-1], "role"),
            f"nobody in the directory has the role {role!r}",
            remedy=did_you_mean(role, roles),
        )
    for number, who in enumerate(listed):
        if who.group is not None and who.group not in groups:
            raise located.problem(
                PolicyError,
                (*where, number),
                f"nobody in the directory is in the group {who.group!r}",
                remedy=did_you_mean(who.group, groups),
            )
        if who.identity is not None and directory.find(who.identity) is None:
            raise located.problem(
                PolicyError,
                (*where, number),
                f"the directory does not know {who.identity!r}",
                remedy=did_you_mean(who.identity, directory.identities()),
            )


def _check_step(added: Escalation, where: Where, located: Located, directory: PeopleDirectory) -> None:
    """Refuse an escalation that adds nobody."""
    if not any(person.active and added.admits(person) for person in directory.people):
        raise located.problem(
            PolicyError,
            where,
            "adds nobody: no active person is named or in the group, and holds the role",
            remedy="name others, or another role",
        )


def _check_stage(entitled: ApprovalStage, where: Where, located: Located, directory: PeopleDirectory) -> None:
    most = max(len(eligible(entitled, directory.people, tenant)) for tenant in tenants(directory))
    if most < entitled.required:
        raise located.problem(
            PolicyError,
            where,
            f"needs {entitled.required} {'person' if entitled.required == 1 else 'people'}, and {most} active "
            f"{'person is' if most == 1 else 'people are'} eligible",
            remedy="they must be active, named or in the group, and hold the role",
        )
    if most < entitled.reject_quorum:
        raise located.problem(
            PolicyError,
            where,
            f"needs {entitled.reject_quorum} people to reject, and {most} active "
            f"{'person is' if most == 1 else 'people are'} eligible",
            remedy="a no that nobody can give stops nothing: ask for fewer in reject_quorum",
        )


def check_seats(
    where: Where, stages: tuple[ApprovalStage, ...], located: Located, directory: PeopleDirectory
) -> None:
    """Refuse stages that need more different people than there are: one person counts in one stage only.

    Raises:
        PolicyError: with file, line and remedy.
    """
    needed = sum(stage.required for stage in stages)
    found = max(
        seats_filled([Seats(eligible(stage, directory.people, tenant), stage.required) for stage in stages])
        for tenant in tenants(directory)
    )
    if found < needed:
        raise located.problem(
            PolicyError,
            where,
            f"the stages need {needed} different people in all, and only {found} can be found",
            remedy="a person counts in one stage only: widen a group, or ask fewer",
        )


def tenants(directory: PeopleDirectory) -> tuple[str, ...]:
    """The tenants that the directory's people belong to."""
    return tuple(sorted({person.tenant for person in directory.people})) or ("default",)


def eligible(stage: ApprovalStage, people: Iterable[Person], tenant: str) -> frozenset[str]:
    """Ids of the active people of a tenant who may answer in a stage."""
    return frozenset(
        person.id for person in people if person.active and person.tenant == tenant and stage.admits(person)
    )
