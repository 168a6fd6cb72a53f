"""The very same call again."""

from guardkit.core.decisions import Stop
from guardkit.core.digest import canonical
from guardkit.core.no_result import NoResultReason
from guardkit.core.steps import Action
from guardkit.core.verdicts import CheckContext


def repeated(context: CheckContext, action: Action) -> int:
    """How often the very same call was made before in this turn.

    Two calls are the same when tool and RFC 8785 form of the arguments are. The action itself does not count: a node
    that runs again after a pause repeats nothing.
    """
    earlier = [
        step.action
        for step in context.history
        if step.action.tool == action.tool and step.action.id != action.id
    ]
    if not earlier:
        return 0
    want = canonical(action.args)
    return sum(1 for one in earlier if canonical(one.args) == want)


def same_call(context: CheckContext, action: Action, limit: int | None) -> Stop | None:
    """The stop that one repetition too many demands, or `None`.

    Args:
        context: what was done before.
        action: the call that is decided.
        limit: how often the same call may be made in a turn; `None` as often as it likes.
    """
    if limit is None or repeated(context, action) < limit:
        return None
    return Stop(
        reason=NoResultReason.NO_PROGRESS,
        rules=("guardkit.same-call",),
        why=(f"{action.tool!r} was called with the same arguments before, as often as allowed",),
    )
