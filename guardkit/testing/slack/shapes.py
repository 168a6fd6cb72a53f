"""Checks to put together: texts, numbers, lists, objects with known fields."""

import re
from collections.abc import Mapping

from guardkit.core.values import Json
from guardkit.testing.slack.rules import Check, Findings, Rule


def flag(value: Json, pointer: str, findings: Findings) -> None:
    """`true` or `false`."""
    if not isinstance(value, bool):
        findings.add(Rule.WRONG_TYPE, pointer, "must be a boolean")


def anything(value: Json, pointer: str, findings: Findings) -> None:
    """Whatever is there."""


def string(rule: Rule, most: int, *, least: int = 1) -> Check:
    """A string of `least` to `most` characters."""

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.add(Rule.WRONG_TYPE, pointer, "must be a string")
        elif len(value) > most:
            findings.add(rule, pointer, f"must be less than {most + 1} characters")
        elif len(value) < least:
            findings.add(Rule.EMPTY, pointer, f"must be more than {least - 1} characters")

    return check


def pattern(rule: Rule, expression: str, what: str) -> Check:
    """A string of a form.

    Args:
        rule: what is broken otherwise.
        expression: a regular expression for all of the string.
        what: names the form in the message.
    """
    compiled = re.compile(expression)

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            findings.add(rule, pointer, f"must be {what}")

    return check


def choice(*allowed: str, rule: Rule = Rule.CHOICE) -> Check:
    """One of the strings."""

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if value not in allowed:
            findings.add(rule, pointer, f"must be a valid enum value: {', '.join(allowed)}")

    return check


def number(low: int, high: int, rule: Rule = Rule.WRONG_TYPE) -> Check:
    """A whole number from `low` to `high`."""

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            findings.add(Rule.WRONG_TYPE, pointer, "must be an integer")
        elif not low <= value <= high:
            findings.add(rule, pointer, f"must be from {low} to {high}")

    return check


def items(rule: Rule, check_item: Check, *, most: int, least: int = 1) -> Check:
    """A list of `least` to `most` items."""

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.add(Rule.WRONG_TYPE, pointer, "must be an array")
            return
        if len(value) > most:
            findings.add(rule, pointer, f"no more than {most} items allowed")
        elif len(value) < least:
            findings.add(Rule.EMPTY, pointer, f"must have at least {least} item")
        for index, item in enumerate(value):
            check_item(item, f"{pointer}/{index}", findings)

    return check


def fields(
    *, required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None
) -> Check:
    """An object with these fields and no other; `type` is always among them."""
    needed = dict(required or {})
    known = {"type": anything, **needed, **(optional or {})}

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add(Rule.WRONG_TYPE, pointer, "must be an object")
            return
        for name in needed:
            if name not in value:
                findings.add(Rule.MISSING_FIELD, pointer, f"missing required field: {name}")
        for name, part in value.items():
            if name not in known:
                findings.add(Rule.UNKNOWN_FIELD, pointer, f"invalid additional property: {name}")
            else:
                known[name](part, f"{pointer}/{name}", findings)

    return check


def typed(kinds: Mapping[str, Check]) -> Check:
    """An object whose `type` says which check it gets."""

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add(Rule.WRONG_TYPE, pointer, "must be an object")
            return
        kind = value.get("type")
        found = kinds.get(kind) if isinstance(kind, str) else None
        if found is None:
            findings.add(Rule.UNKNOWN_TYPE, pointer, f"unsupported type: {kind}")
        else:
            found(value, pointer, findings)

    return check


def text(rule: Rule, most: int, *, plain: bool = False) -> Check:
    """A text object of 1 to `most` characters.

    Args:
        rule: what is broken by a longer text.
        most: characters.
        plain: whether `mrkdwn` is refused.
    """
    body = {"text": string(rule, most)}
    plain_text = fields(required=body, optional={"emoji": flag})
    mrkdwn = fields(required=body, optional={"verbatim": flag})

    def check(value: Json, pointer: str, findings: Findings) -> None:
        if plain and isinstance(value, dict) and value.get("type") == "mrkdwn":
            findings.add(Rule.PLAIN_TEXT, pointer, "must be plain_text")
            return
        typed({"plain_text": plain_text, "mrkdwn": mrkdwn})(value, pointer, findings)

    return check
