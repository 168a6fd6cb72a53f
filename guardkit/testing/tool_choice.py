"""Which tool a message asks for, and with which arguments: fixed rules, no model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from guardkit.grounding.tokens import content_stems, stem, tokens

_ASSIGNED = r"\b{name}\b[ ]?(?:[:=#]|is|no\.?|number|id|to)?[ ]?[\"'`]?([A-Za-z0-9][\w.@/-]{{0,80}})"
_NUMBER = re.compile(
    r"(?<![\w.,-])\d{1,3}(?:,\d{3})++(?:\.\d+)?(?![\w-])|(?<![\w.,-])\d{1,15}(?:\.\d{1,6})?(?![\w-])"
)
_ID = re.compile(r"\b(?=[\w-]{0,38}\d)[A-Za-z][\w-]{1,39}\b")
_QUOTED = re.compile(r"[\"\u201c\u2018']([^\"\u201d\u2019'\n]{1,300})[\"\u201d\u2019']")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_FREE_TEXT = {"question", "query", "text", "message", "prompt", "input"}
_NOT_NAMES = {"id", "no", "number", "code", "name", "ref", "reference"}
_YES = {"yes", "true", "on"}
_NO = {"no", "false", "off"}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool with the arguments that a text gives for it."""

    name: str
    args: dict[str, Any]


def choose(text: str, tools: Sequence[Mapping[str, Any]], used: Sequence[ToolUse]) -> ToolUse | None:
    """The first tool that a text asks for, if all its required arguments stand in the text.

    A tool is asked for when every word of its name stands in the text, or at least two content words of its
    name and description do, one of them in the name. A call that was made before is not made again.

    Args:
        text: what the user, or a tool, said.
        tools: in the form of OpenAI's function calling.
        used: calls already made for this text.
    """
    said = set(content_stems(text)) | {stem(token.folded) for token in tokens(text)}
    ranked = sorted(
        ((_fit(tool["function"], said), -place, tool["function"]) for place, tool in enumerate(tools)),
        key=lambda entry: (entry[0], entry[1]),
        reverse=True,
    )
    for fit, _, function in ranked:
        if fit <= 0:
            break
        args = _arguments(text, function.get("parameters") or {})
        if args is None:
            continue
        use = ToolUse(str(function["name"]), args)
        if use not in used:
            return use
    return None


def _fit(function: Mapping[str, Any], said: set[str]) -> float:
    name = [
        stem(word.lower()) for word in re.split(r"[_\W]+|(?<=[a-z])(?=[A-Z])", str(function["name"])) if word
    ]
    described = set(content_stems(str(function.get("description") or "")[:2000])) - set(name)
    named = sum(word in said for word in name)
    if named == len(name):
        return 2.0 + named
    return 1.0 + named / len(name) if named and named + len(described & said) >= 2 else 0.0


def _arguments(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    required = set(cast("Sequence[str]", schema.get("required") or ()))
    taken: set[str] = set()
    found: dict[str, Any] = {}
    for name, rule in properties.items():
        for value, shown in _values(text, name, rule, name in required):
            if shown not in taken:
                taken.add(shown)
                found[name] = value
                break
        else:
            if name in required:
                return None
    return found


def _values(text: str, name: str, rule: Mapping[str, Any], required: bool) -> Iterator[tuple[Any, str]]:
    """Candidates for one argument, best first, each with the piece of text that it takes up.

    Optional arguments are only filled where the text names them.
    """
    kinds = {str(rule.get("type"))} | {str(option.get("type")) for option in rule.get("anyOf") or ()}
    words = [word for word in re.split(r"[_\W]+", name.lower()) if word]
    if "enum" in rule:
        lowered = text.lower()
        yield from ((option, str(option)) for option in rule["enum"] if str(option).lower() in lowered)
        return
    numeric = kinds & {"number", "integer"}
    named = list(_assigned(text, words))
    if numeric:
        pieces = [piece for piece in named if _NUMBER.fullmatch(piece)]
        pieces += [match.group() for match in _NUMBER.finditer(text)] if required else []
        for piece in pieces:
            plain = piece.replace(",", "")
            if "string" in kinds:
                yield plain, piece
            elif "integer" in kinds and "." not in plain:
                yield int(plain), piece
            elif "number" in kinds:
                yield float(plain), piece
    elif "boolean" in kinds:
        yield from ((piece.lower() in _YES, piece) for piece in named if piece.lower() in _YES | _NO)
    elif "string" in kinds:
        yield from _strings(text, words, named, required)


def _strings(
    text: str, words: Sequence[str], named: Sequence[str], required: bool
) -> Iterator[tuple[str, str]]:
    if "mail" in " ".join(words) or set(words) & {"to", "recipient"}:
        yield from ((match.group(), match.group()) for match in _MAIL.finditer(text))
    yield from ((piece, piece) for piece in named if any(sign.isdigit() for sign in piece) or not required)
    if not required:
        return
    if set(words) & _NOT_NAMES or set(words) & {"account", "iban"}:
        yield from ((match.group(), match.group()) for match in _ID.finditer(text))
    yield from ((match.group(1), match.group(1)) for match in _QUOTED.finditer(text))
    yield from ((piece, piece) for piece in named)
    if set(words) & _FREE_TEXT:
        yield text.strip(), text


def _assigned(text: str, words: Sequence[str]) -> Iterator[str]:
    """What stands right after the argument's name: `claim C-17` for `claim_id`, `amount: 500` for `amount`."""
    for word in [word for word in words if word not in _NOT_NAMES] or words:
        pattern = _ASSIGNED.format(name=re.escape(word))
        yield from (match.group(1).rstrip(".,-/") for match in re.finditer(pattern, text, re.IGNORECASE))
