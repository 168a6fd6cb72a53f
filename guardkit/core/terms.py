"""What of a policy a question rests on."""

from collections.abc import Iterable

from guardkit.core.values import Value


class Terms(Value):
    """The part of a policy that decides how calls of one tool are put to people on some routes, as hashes."""

    rules: dict[str, str]
    """Each rule of the tool, by its id."""

    rest: str
    """Everything else: what holds when no rule matches, the routes, their stages."""

    def hold_in(self, today: "Terms", rules: Iterable[str]) -> bool:
        """Whether these rules and all that is no rule are the same today. What is no rule of the tool is part of the rest."""
        return today.rest == self.rest and all(today.rules.get(one) == self.rules.get(one) for one in rules)
