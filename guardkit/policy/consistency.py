"""What a policy's parts must be to one another: names that exist, routes that people can answer."""

from collections.abc import Iterable, Iterator

from guardkit.core.approvals import ApprovalStage
from guardkit.core.people import Directory, Person
from guardkit.errors import PolicyError
from guardkit.policy.document import PolicyDocument, StageEntry, ToolEntry
from guardkit.policy.loading import Located, Where
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.quorum import Seats, seats_filled
from guardkit.policy.routes import stage_of
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
    for name, route in document.approvals.items():
        for number, stage in enumerate(route.stages):
            _check_stage(stage, ("approvals", name, "stages", number), located, directory)
        check_seats(("approvals", name, "stages"), tuple(map(stage_of, route.stages)), located, directory)


def _check_stage(stage: StageEntry, where: Where, located: Located, directory: PeopleDirectory) -> None:
    roles = {role for person in directory.people for role in person.roles}
    groups = {group for person in directory.people for group in person.groups}
    if stage.role is not None and stage.role not in roles:
        raise located.problem(
            PolicyError,
            (*where, "role"),
            f"nobody in the directory has the role {stage.role!r}",
            remedy=did_you_mean(stage.role, roles),
        )
    for number, who in enumerate(stage.approvers):
        if who.group is not None and who.group not in groups:
            raise located.problem(
                PolicyError,
                (*where, "approvers", number),
                f"nobody in the directory is in the group {who.group!r}",
                remedy=did_you_mean(who.group, groups),
            )
        if who.identity is not None and directory.find(who.identity) is None:
            raise located.problem(
                PolicyError,
                (*where, "approvers", number),
                f"the directory does not know {who.identity!r}",
                remedy=did_you_mean(who.identity, directory.identities()),
            )
    entitled = stage_of(stage)
    most = max(len(eligible(entitled, directory.people, tenant)) for tenant in tenants(directory))
    if most < stage.required:
        raise located.problem(
            PolicyError,
            where,
            f"needs {stage.required} {'person' if stage.required == 1 else 'people'}, and {most} active "
            f"{'person is' if most == 1 else 'people are'} eligible",
            remedy="they must be active, named or in the group, and hold the role",
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
