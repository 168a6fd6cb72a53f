"""What one person said, as callers see it."""

from datetime import datetime

from guardkit.core.approvals import SaidKind
from guardkit.core.people import Assurance
from guardkit.core.values import JsonObject, Value


class Decided(Value):
    """What one person said."""

    decision: SaidKind
    person: str
    on_behalf_of: str | None
    """For whom, if a delegate said it for somebody who is away."""

    stage: int
    at: datetime
    via: str
    assurance: Assurance
    comment: str | None
    exemption: str | None
    """The policy's reason for which whoever asked could say it, if that is who said it."""

    digest: str
    """The digest that was on the person's screen."""

    presentation_hash: str | None
    """`presentation_hash` of what the person was shown; `null` where whoever brought the decision did not say."""

    delivery: str | None
    """Id of the message or request that was answered; `inbox` or `cli` where no message led there."""

    arguments: JsonObject | None
    """With `edit`: the arguments from then on."""

    standing: str | None
    """What was added of actions like it, in words."""
