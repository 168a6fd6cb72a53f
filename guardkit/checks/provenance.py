"""Where a value comes from.

A value is tainted when an untrusted observation holds it and nothing that the user wrote does. Observations are
compared folded to their letters and digits, so spacing, case, punctuation and look-alike forms (NFKC) hide nothing;
the user's words are compared by whole tokens, so that `C-17` is not said by `C-177`. Encoded or derived values are not
seen: taint is never the only rule (see docs/concepts/threat-model.md).
"""

import math
import re
import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guardkit.checks.leaves import covers, leaves
from guardkit.core.steps import Action, ToolKind
from guardkit.core.values import Json
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.errors import ConfigurationError

MAX_TEXT = 200_000
"""Characters of one text that are compared."""

_LEAST = 3
"""Letters and digits below which a text carries no origin."""

_SMALL = 1000
"""Numbers below this carry no origin."""

_TRIES = 256
"""Places of a value in the user's words that are looked at. Past them it counts as not said, which tightens."""

_AMOUNT = re.compile(r"-?\d{1,15}\.\d{1,2}")
_NEITHER = re.compile(r"[\W_]+")
_TOKEN = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Letters and digits only, in their NFKC case-folded form."""
    return _NEITHER.sub("", _canonical(text))


def _canonical(text: str) -> str:
    text = text[:MAX_TEXT]
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


@dataclass(frozen=True, slots=True)
class _Said:
    """What the user wrote in one message: its tokens run together, and where each begins and ends."""

    text: str
    starts: frozenset[int]
    ends: frozenset[int]

    @classmethod
    def of(cls, message: str) -> "_Said":
        starts: set[int] = set()
        ends: set[int] = set()
        words: list[str] = _TOKEN.findall(_canonical(message))
        at = 0
        for word in words:
            starts.add(at)
            at += len(word)
            ends.add(at)
        return cls("".join(words), frozenset(starts), frozenset(ends))

    def holds(self, form: "_Form") -> bool:
        """Whether a form is exactly some consecutive whole tokens, one of which ends where the form is cut."""
        at = self.text.find(form.text)
        for _ in range(_TRIES):
            if at < 0:
                return False
            if at in self.starts and at + len(form.text) in self.ends and at + form.cut in self.ends:
                return True
            at = self.text.find(form.text, at + 1)
        return False


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a value, folded."""

    text: str
    cut: int
    """Where a token has to end: behind the whole units of an amount, so that 1250.50 is not said by 125050."""


@dataclass(frozen=True, slots=True)
class _Origins:
    """What was said and what was seen in a thread, folded once."""

    said: tuple[_Said, ...]
    seen: tuple[str, ...]
    endless: bool
    """Whether an observation is too long to compare."""

    @classmethod
    def of(cls, context: CheckContext) -> "_Origins":
        observations = context.untrusted()
        if not observations:
            return cls((), (), endless=False)
        return cls(
            said=tuple(_Said.of(message) for message in context.prompt),
            seen=tuple(folded(observation.text) for observation in observations),
            endless=any(len(observation.text) > MAX_TEXT for observation in observations),
        )

    def taint(self, value: Json) -> bool:
        """Whether one value, no list or mapping, is tainted."""
        forms = _forms(value)
        if not forms or any(one.holds(form) for one in self.said for form in forms):
            return False
        return self.endless or any(form.text in one for one in self.seen for form in forms)


def _forms(value: Json) -> tuple[_Form, ...]:
    """How a value can be written; nothing when it carries no origin."""
    match value:
        case str() if _AMOUNT.fullmatch(_canonical(value)):
            return _amount(_canonical(value).lstrip("-"))
        case str():
            text = folded(value)
            return (_Form(text, len(text)),) if len(text) >= _LEAST else ()
        case bool() | None:
            return ()
        case int() if abs(value) >= _SMALL:
            return _amount(str(abs(value)))
        case float() if math.isfinite(value) and abs(value) >= _SMALL:
            return _amount(str(int(abs(value))) if value.is_integer() else format(abs(value), ".15g"))
        case _:
            return ()


def _amount(written: str) -> tuple[_Form, ...]:
    """An amount is written with the decimals it has, or with both, or with none when they are zero."""
    units, _, decimals = written.partition(".")
    endings = {decimals, decimals.ljust(2, "0")}
    if not decimals.strip("0"):
        endings.add("")
    return tuple(
        _Form(units + ending, len(units)) for ending in sorted(endings) if len(units + ending) >= _LEAST
    )


_LATEST: deque[tuple[CheckContext, _Origins]] = deque(maxlen=8)
"""The contexts asked about last: the rules of one policy and the checks of one action ask about the same one."""


def _origins(context: CheckContext) -> _Origins:
    if context.blind:
        raise ValueError("where values come from is not known: the state holds no messages")
    for known, origins in tuple(_LATEST):
        if known is context:
            return origins
    origins = _Origins.of(context)
    _LATEST.append((context, origins))
    return origins


def tainted(context: CheckContext, value: Json) -> bool:
    """Whether a value, or any value inside it, is tainted.

    Numbers below 1,000, booleans, null and texts of fewer than three letters or digits carry no origin and are never
    tainted. An observation too long to compare (200,000 characters) taints every value that the user did not write.

    Raises:
        ValueError: observations of an earlier run may be missing, so nothing can be said.
    """
    origins = _origins(context)
    if not origins.seen:
        return False
    return any(origins.taint(leaf) for _, leaf in leaves({"": value}))


class TaintedArguments:
    """Sends effects to people, or refuses them, when their arguments come from an untrusted observation.

    Opt-in: a policy says the same for single arguments with `tainted(args.name)`.

    Args:
        paths: the arguments that matter, e.g. `("iban", "lines.amount")`, each with all that is below it; by default
            all. Indices may be left out.
        outcome: what is demanded when one of them is tainted.

    Raises:
        ConfigurationError: a path is empty, or there are none.
    """

    def __init__(
        self, paths: Sequence[str] | None = None, outcome: Literal["review", "block", "stop"] = "review"
    ) -> None:
        if paths is not None and (isinstance(paths, str) or not paths or not all(paths)):
            raise ConfigurationError(
                f"TaintedArguments: paths is {paths!r}",
                remedy="give a list of argument names, or leave it out for all arguments",
            )
        self._paths = tuple(paths) if paths is not None else None
        self._outcome: Literal["review", "block", "stop"] = outcome

    def __call__(self, action: Action, context: CheckContext, /) -> Verdict | None:
        """Judge one action. Reads pass.

        Raises:
            ValueError: observations of an earlier run may be missing, so nothing can be said.
        """
        if action.kind is not ToolKind.EFFECT:
            return None
        origins = _origins(context)
        if not origins.seen:
            return None
        found = [path for path, leaf in leaves(action.args) if self._matters(path) and origins.taint(leaf)]
        if not found:
            return None
        return Verdict(
            check="tainted",
            outcome=self._outcome,
            why=f"{_listed(found)} come from an observation that anybody may have written",
            evidence=tuple(f"args.{path}" for path in found),
        )

    def _matters(self, path: str) -> bool:
        return self._paths is None or any(covers(wanted, path) for wanted in self._paths)


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:5])
    return f"{shown} and {len(paths) - 5} more arguments" if len(paths) > 5 else f"the arguments {shown}"
