"""What an entry of the audit log says, in words: for the story of a thread and for whoever follows the log."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from guardkit.core.values import Json, JsonObject
from guardkit.core.visible import one_line

_LIMIT = 200
"""Characters of one value in a sentence."""

_LONG = 1000
"""Characters of any text."""

Tone: TypeAlias = Literal["plain", "good", "held", "bad"]
"""How a moment is to be read: `held` waits for somebody or went to the model as a no, `bad` is a failure."""

Words: TypeAlias = Callable[[JsonObject], tuple[str, Tone]]


def in_words(kind: str, data: JsonObject) -> tuple[str, Tone]:
    """What an entry says, in one line fit for a terminal, and how it is to be read.

    Args:
        kind: the audit event's; one that is not known here is told by its name.
        data: the audit event's.
    """
    words = _WORDS.get(kind)
    return words(data) if words is not None else (one_line(kind, _LIMIT), "plain")


def span(seconds: float) -> str:
    """A length of time in words: `12 ms`, `4.2 s`, `3 min 5 s`, `2 h 58 min`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {smaller}"
    raise AssertionError(whole)


def fit(value: Json) -> Json:
    """A value with every text in it fit for a line of a terminal or page: nothing invisible, nothing endless."""
    match value:
        case str():
            return one_line(value, _LONG)
        case list():
            return [fit(item) for item in value]
        case dict():
            return {name: fit(item) for name, item in value.items()}
        case _:
            return value


def _text(data: JsonObject, name: str) -> str:
    value = data.get(name)
    return one_line(", ".join(str(item) for item in value) if isinstance(value, list) else str(value), _LIMIT)


def _plainly(data: JsonObject, name: str) -> str:
    """An identifier as words."""
    return _text(data, name).replace("_", " ")


def _objects(data: JsonObject, name: str) -> list[JsonObject]:
    found = data.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _decided(data: JsonObject) -> tuple[str, Tone]:
    kinds: Mapping[str, tuple[str, Tone]] = {
        "allow": ("allowed", "good"),
        "edit": ("allowed, changed by a check", "good"),
        "escalate": ("held for people", "held"),
        "reject": ("rejected", "held"),
        "stop": ("stopped the turn", "bad"),
    }
    says, tone = kinds.get(_text(data, "decision"), (_text(data, "decision"), "plain"))
    rules = f" by {_text(data, 'rules')}" if data.get("rules") else ""
    if data.get("standing"):
        says, rules = f"allowed by standing approval {_text(data, 'standing')[:12]}", f", asked about{rules}"
    return (
        f"{says}{rules} (policy {_text(data, 'policy')} {_text(data, 'policy_version')}){_checks(data)}",
        tone,
    )


def _checks(data: JsonObject) -> str:
    checks = _objects(data, "checks")
    passed = sum(one.get("verdict") == "pass" for one in checks)
    parts = [f"{passed} passed"] if passed else []
    for one in checks:
        if "error" in one:
            parts.append(f"{_text(one, 'check')} failed with {_text(one, 'error')}")
        elif one.get("verdict") != "pass":
            parts.append(f"{_text(one, 'check')} says {_text(one, 'verdict')}")
    return f"; checks: {', '.join(parts)}" if parts else ""


def _asked(data: JsonObject) -> tuple[str, Tone]:
    why = f": {_text(data, 'why')}" if data.get("why") else ""
    together = f", all {_text(data, 'stages')} stages at once" if data.get("order") == "together" else ""
    exempt = f", whoever asked may answer ({_text(data, 'exemptions')})" if data.get("exemptions") else ""
    return f"asked {_text(data, 'routes')}{together}{exempt}{why}", "held"


def _answered(data: JsonObject) -> tuple[str, Tone]:
    kinds: Mapping[str, tuple[str, Tone]] = {
        "approve": ("approved", "good"),
        "edit": ("edited", "good"),
        "reject": ("rejected", "held"),
        "respond": ("answered in words", "held"),
        "break_glass": ("approved alone by breaking the glass,", "bad"),
    }
    says, tone = kinds.get(_text(data, "decision"), (_text(data, "decision"), "plain"))
    at = "" if data.get("decision") == "break_glass" else _stages(data)
    more = _left(data) if data.get("state") == "pending" else ""
    reason = f": “{_text(data, 'reason')}”" if data.get("reason") else ""
    how = f"{at}{_text(data, 'assurance')}, via {_text(data, 'via')}"
    absent = f" for {_text(data, 'for')}" if data.get("for") else ""
    alike = ", and all like it" if data.get("standing") else ""
    exempt = f", who asked and is exempt: {_text(data, 'exemption')}" if data.get("exemption") else ""
    return f"{says} by {_text(data, 'person')}{absent} ({how}){exempt}{alike}{more}{reason}", tone


def _numbers(data: JsonObject, name: str) -> list[str]:
    """Stages as people count them."""
    found = data.get(name)
    return [str(one + 1) for one in found if isinstance(one, int)] if isinstance(found, list) else []


def _stages(data: JsonObject) -> str:
    stage, seats = data.get("stage"), _numbers(data, "seats")
    if seats:
        return f"stage {' or '.join(seats)}, "
    return f"stage {stage + 1}, " if isinstance(stage, int) else ""


def _left(data: JsonObject) -> str:
    """What an answer that settles nothing leaves open."""
    waiting = _numbers(data, "waiting")
    still = f": stage{'s' if len(waiting) > 1 else ''} {', '.join(waiting)}" if waiting else ""
    if data.get("decision") == "reject":
        return f", which ends it only when more people reject{still}"
    return f", others have to agree{still}"


def _granted(data: JsonObject) -> str:
    return f": {_count(data.get('uses'), 'use')}, scope {_text(data, 'scope')}"


def _unused(data: JsonObject) -> str:
    left = data.get("uses_left")
    amount = f" and {_text(data, 'amount_left')}" if data.get("amount_left") is not None else ""
    return f"{_count(left, 'use')}{amount} left"


def _claimed(data: JsonObject) -> tuple[str, Tone]:
    key = f" under key {_text(data, 'key')}" if data.get("key") else ""
    attempt = f", attempt {_text(data, 'attempt')}" if data.get("attempt", 1) != 1 else ""
    return f"started{key}{attempt}", "plain"


def _recorded(data: JsonObject) -> tuple[str, Tone]:
    tones: Mapping[str, Tone] = {"done": "good", "not_done": "held"}
    return _plainly(data, "state"), tones.get(_text(data, "state"), "bad")


def _claims(data: JsonObject) -> str:
    claims = _objects(data, "claims")
    if not claims:
        return ""
    supported = sum(one.get("verdict") == "supported" for one in claims)
    rounds = data.get("rounds")
    after = f" in round {rounds}" if isinstance(rounds, int) and rounds > 1 else ""
    return f", {supported} of {len(claims)} claims supported{after}"


def _count(number: object, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _verified(data: JsonObject) -> tuple[str, Tone]:
    sources = data.get("sources")
    documents = _count(len(sources) if isinstance(sources, list) else 0, "document")
    citations = _count(data.get("citations"), "citation")
    return f"answer verified: {citations} of {documents}{_claims(data)}", "good"


def claim(data: JsonObject) -> tuple[str, Tone]:
    """What was found of one claim of an answer: an item of `claims` of an entry about the answer."""
    good = data.get("verdict") == "supported"
    flags = f" ({_plainly(data, 'flags')})" if data.get("flags") else ""
    sources = f", from {_text(data, 'sources')}" if data.get("sources") and good else ""
    says = (
        f"claim {_text(data, 'claim')}: {_plainly(data, 'verdict')}, says {_text(data, 'by')}{flags}{sources}"
    )
    return says, "good" if good else "held"


def message(data: JsonObject) -> tuple[str, Tone]:
    """What became of a message to people."""
    kinds: Mapping[str, str] = {
        "ask": "asked in",
        "remind": "reminded in",
        "update": "brought up to date in",
        "outcome": "told the outcome in",
        "review": "asked for the review in",
    }
    says = "escalated to" if data.get("escalation") else kinds[_text(data, "kind")]
    tries = data.get("attempts")
    again = f", attempt {tries}" if isinstance(tries, int) and tries > 1 else ""
    if data.get("error"):
        return f"not {says} {_text(data, 'channel')}: {_text(data, 'error')}{again}", "bad"
    return f"{says} {_text(data, 'channel')}{again}", "plain"


def _run_ended(data: JsonObject) -> tuple[str, Tone]:
    tones: Mapping[str, Tone] = {"paused": "held", "done": "good", "failed": "bad", "ended": "held"}
    words = {"ended": "run ended without a result", "failed": "run failed: its code raised"}
    status = _text(data, "status")
    return words.get(status, f"run {status}"), tones.get(status, "plain")


def _by(data: JsonObject) -> str:
    return f" of {_text(data, 'person')}" if data.get("person") else ""


def _stop(data: JsonObject) -> str:
    target = f" {_text(data, 'target')}" if data.get("target") else ""
    return f"{_text(data, 'stop')} of {_text(data, 'scope')}{target}"


_WORDS: Mapping[str, Words] = {
    "run.started": lambda data: (
        f"run {'went on' if data.get('continued') else 'began'} in {_text(data, 'process')}",
        "plain",
    ),
    "run.ended": _run_ended,
    "action.decided": _decided,
    "approval.requested": _asked,
    "approval.decided": _answered,
    "approval.refused": lambda data: (
        f"an answer{_by(data)} did not count: {_plainly(data, 'why')}",
        "plain",
    ),
    "approval.glass_broken": lambda data: (
        f"GLASS BROKEN by {_text(data, 'person')}: in place of the quorum, valid for {_text(data, 'valid_for')} s",
        "bad",
    ),
    "review.opened": lambda data: (f"to be reviewed by {_text(data, 'reviewers')}", "held"),
    "review.overdue": lambda _data: ("nobody has reviewed the broken glass in time", "bad"),
    "review.closed": lambda data: (
        f"broken glass reviewed by {_text(data, 'person')}: {_plainly(data, 'verdict')}",
        "good" if data.get("verdict") == "justified" else "bad",
    ),
    "review.refused": lambda data: (
        f"a review{_by(data)} did not count: {_plainly(data, 'why')}",
        "plain",
    ),
    "standing.given": lambda data: (
        f"standing approval {_text(data, 'standing')[:12]} given by {_text(data, 'givers')}{_granted(data)}",
        "good",
    ),
    "standing.used": lambda data: (
        f"under standing approval {_text(data, 'standing')[:12]}, given by {_text(data, 'givers')}: {_unused(data)}",
        "good",
    ),
    "standing.revoked": lambda data: (
        f"standing approval {_text(data, 'standing')[:12]} revoked by {_text(data, 'person')}",
        "held",
    ),
    "standing.refused": lambda data: (
        f"standing approval {_text(data, 'standing')[:12]} does not count: {_text(data, 'why')}",
        "held",
    ),
    "approval.expired": lambda _data: ("nobody answered in time", "held"),
    "approval.cancelled": lambda data: (f"question cancelled: {_text(data, 'why')}", "held"),
    "approval.superseded": lambda _data: ("question replaced by another one", "held"),
    "approval.void": lambda data: (f"the approval does not hold: {_text(data, 'why')}", "held"),
    "effect.claimed": _claimed,
    "effect.recorded": _recorded,
    "effect.reconciled": lambda data: (
        f"settled as {_plainly(data, 'state')} by {_text(data, 'by')}",
        "good",
    ),
    "effect.known": lambda data: (f"done before under key {_text(data, 'key')}: its record was used", "good"),
    "effect.refused": lambda data: (
        f"did not run: {_plainly(data, 'why')}" + (f", key {_text(data, 'key')}" if data.get("key") else ""),
        "held",
    ),
    "effect.in_doubt": lambda data: (
        f"in doubt: key {_text(data, 'key')} has no outcome; a person has to settle it",
        "bad",
    ),
    "observation.checked": lambda data: (
        f"its result: {_text(data, 'check')} says {_text(data, 'verdict')}",
        "held",
    ),
    "step.next": lambda data: (f"next step: {_text(data, 'next')}", "held"),
    "answer.verified": _verified,
    "answer.withheld": lambda data: (f"answer withheld: {_plainly(data, 'cause')}{_claims(data)}", "held"),
    "turn.ended": lambda data: (f"ended without a result: {_plainly(data, 'reason')}", "held"),
    "turn.redriven": lambda data: (f"given to workers again by {_text(data, 'by')}", "plain"),
    "stop.set": lambda data: (f"stop {_stop(data)} set by {_text(data, 'by')}", "bad"),
    "stop.lifted": lambda data: (f"stop {_stop(data)} lifted by {_text(data, 'by')}", "good"),
    "hold.set": lambda data: (f"legal hold {_text(data, 'hold')} set by {_text(data, 'by')}", "held"),
    "hold.lifted": lambda data: (f"legal hold {_text(data, 'hold')} lifted by {_text(data, 'by')}", "plain"),
    "retention.pruned": lambda data: (
        f"old {_plainly(data, 'kind')} of {_text(data, 'threads')} threads removed by {_text(data, 'by')}",
        "plain",
    ),
    "channel.refused": lambda data: (
        f"{_text(data, 'channel')} refused a callback: {_plainly(data, 'why')}",
        "held",
    ),
    "database.downgraded": lambda data: (
        f"database taken back to revision {_text(data, 'to')} by {_text(data, 'by')}",
        "bad",
    ),
    "database.encrypted": lambda data: (
        f"database encrypted with key {_text(data, 'key')} by {_text(data, 'by')}",
        "plain",
    ),
    "person.erased": lambda data: (f"a person was erased by {_text(data, 'by')}", "held"),
    "message": message,
    "claim": claim,
}
