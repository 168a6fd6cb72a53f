"""Modals: why somebody rejects, other values for arguments, what an edit would change."""

from collections.abc import Mapping, Sequence

from guardkit.channels.card import shortened_again
from guardkit.channels.slack.blocks import changed, inbox_button
from guardkit.channels.slack.rich import header, line, numbered, plain, rich, verbatim, words
from guardkit.channels.slack.tickets import Ticket
from guardkit.core.approvals import DecisionKind
from guardkit.core.fields import Field
from guardkit.core.rows import Change
from guardkit.core.values import Json, JsonObject

REASON = "gk_reason"
"""`callback_id` of the modals that ask for words, followed by `:` and the decision."""

EDIT = "gk_edit"
"""`callback_id` of the form with arguments."""

CONFIRM = "gk_confirm"
"""`callback_id` of the modal that shows what an edit changes."""

REASON_BLOCK = "reason"

LONGEST = 3000
"""Characters of a text field (docs.slack.dev, plain-text input), and of what a modal carries hidden."""

FIELDS = 40
"""Arguments that a form has at most; Slack takes 100 blocks, and long values have a second one."""

_OPTIONS = 100
_ABSENT = "none"
"""The value of the option that means no value: Slack takes no empty ones."""

_TITLES: dict[DecisionKind, str] = {"approve": "Approve", "reject": "Reject", "respond": "Answer instead"}
_COMMENT = "Why? The policy asks for a comment, which is kept with the decision."
_ASKED: dict[DecisionKind, str] = {
    "approve": _COMMENT,
    "reject": "Why? The reason is kept with the decision.",
    "respond": "What the assistant is told instead",
}


def reason_modal(kind: DecisionKind, ticket: Ticket, title: str) -> JsonObject:
    """A modal that asks for a reason, or for an answer.

    Args:
        kind: `reject`, `respond`, or `approve` where the policy demands a comment.
        ticket: which question.
        title: what it is about.
    """
    blocks = numbered([header(shortened_again(title, 90)), _asks_why(_ASKED[kind])], "gk")
    return _modal(
        _TITLES[kind], blocks, submit=_TITLES[kind], callback=f"{REASON}:{kind}", ticket=ticket.value
    )


def _asks_why(label: str) -> JsonObject:
    return {
        "type": "input",
        "block_id": REASON_BLOCK,
        "label": plain(label),
        "element": {
            "type": "plain_text_input",
            "action_id": REASON_BLOCK,
            "multiline": True,
            "max_length": LONGEST,
        },
    }


def fits(fields: Sequence[Field]) -> bool:
    """Whether a form can hold these arguments as they are."""
    return len(fields) <= FIELDS and all(
        length(field.text) <= LONGEST and len(field.choices) < _OPTIONS for field in fields
    )


def length(text: str) -> int:
    """Characters of a text as Slack's clients count them: in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def edit_modal(fields: Sequence[Field], ticket: Ticket, title: str) -> JsonObject:
    """A form with one field for each argument.

    Args:
        fields: the arguments; see `fits`.
        ticket: which question.
        title: what it is about.
    """
    drawn = [header(shortened_again(title, 90))]
    for field in fields:
        drawn.append(_kept(field) if field.kind == "kept" else _input(field))
    return _modal("Edit", numbered(drawn, "gk"), submit="Next", callback=EDIT, ticket=ticket.value)


def form_of(fields: Sequence[Field], values: Mapping[str, str]) -> dict[str, str]:
    """What a submitted form holds, by `Field.key`."""
    known = {field.key for field in fields}
    return {
        key: "" if value == _ABSENT and _is_list(key, fields) else value
        for key, value in values.items()
        if key in known
    }


def errors(fields: Sequence[Field], problems: Sequence[str]) -> JsonObject:
    """The answer to a submission that says what is wrong, below the fields that it is wrong in.

    Args:
        fields: as read, each with what is wrong with it.
        problems: what is wrong with the whole; shown below the first field.
    """
    shown = [field for field in fields if field.kind != "kept"]
    found: dict[str, Json] = {field.key: _cut(field.error) for field in shown if field.error}
    rest = [
        *problems,
        *(f"{field.label}: {field.error}" for field in fields if field.kind == "kept" and field.error),
    ]
    if rest and shown:
        first = shown[0].key
        found[first] = _cut(" ".join([*([str(found[first])] if first in found else []), *rest]))
    return {"response_action": "errors", "errors": found}


def confirm_modal(
    changes: tuple[Change, ...], carried: str, title: str, *, comment: bool = False
) -> JsonObject:
    """What an edit would change, before it counts.

    Args:
        changes: value by value.
        carried: what the next submission has to bring back; at most `LONGEST` characters.
        title: what it is about.
        comment: whether the policy demands one.
    """
    blocks = numbered(
        [
            header(shortened_again(title, 90)),
            rich(line(words("Approve it with these changes? Others are asked again.")), *changed(changes)),
            *([_asks_why(_COMMENT)] if comment else []),
        ],
        "gk",
    )
    return _modal("Edit", blocks, submit="Approve as edited", callback=CONFIRM, ticket=carried)


def notice_modal(text: str, link: str | None = None) -> JsonObject:
    """A modal that only says something."""
    blocks = [rich(line(words(text)))]
    if link is not None:
        blocks.append({"type": "actions", "elements": [inbox_button(link)]})
    return _modal("guardkit", numbered(blocks, "gk"))


def _modal(
    title: str,
    blocks: list[JsonObject],
    *,
    submit: str | None = None,
    callback: str = "gk_notice",
    ticket: str = "",
) -> JsonObject:
    modal: JsonObject = {
        "type": "modal",
        "title": plain(title),
        "close": plain("Close" if submit is None else "Cancel"),
        "blocks": list[Json](blocks),
        "callback_id": callback,
        "private_metadata": ticket,
    }
    if submit is not None:
        modal["submit"] = plain(submit)
    return modal


def _kept(field: Field) -> JsonObject:
    shown = shortened_again(field.text, 200) if field.text else "stays as it is; edit it in the inbox"
    return rich(line(words(field.label, "bold")), verbatim(shown))


def _input(field: Field) -> JsonObject:
    hint = " ".join(part for part in (field.help, _hidden(field)) if part)
    block: JsonObject = {
        "type": "input",
        "block_id": field.key,
        "label": plain(field.label),
        "optional": field.optional or field.kind in ("line", "text"),
        "element": _element(field),
    }
    if hint:
        block["hint"] = plain(shortened_again(hint, 1500))
    return block


def _hidden(field: Field) -> str:
    return f"It holds what does not show: {field.hidden}" if field.hidden else ""


def _element(field: Field) -> JsonObject:
    if _is_list(field.key, [field]):
        return _list(field)
    element: JsonObject = {"action_id": field.key}
    match field.kind:
        case "date":
            element["type"] = "datepicker"
            if field.text:
                element["initial_date"] = field.text
            return element
        case "integer":
            element |= {"type": "number_input", "is_decimal_allowed": False}
        case _:
            element |= {"type": "plain_text_input", "multiline": field.kind in ("text", "json")}
    if field.text:
        element["initial_value"] = field.text
    return element


def _is_list(key: str, fields: Sequence[Field]) -> bool:
    return any(field.key == key and field.kind in ("boolean", "choice") for field in fields)


def _list(field: Field) -> JsonObject:
    shown = (
        [(one.value or _ABSENT, one.label) for one in field.options()]
        if field.kind == "choice"
        else [*([(_ABSENT, "no value")] if field.optional else []), ("true", "yes"), ("false", "no")]
    )
    options: list[Json] = [{"text": plain(_option(label)), "value": value} for value, label in shown]
    now = next((at for at, (value, _) in enumerate(shown) if value == (field.text or _ABSENT)), None)
    element: JsonObject = {"type": "static_select", "action_id": field.key, "options": options}
    if now is not None:
        element["initial_option"] = options[now]
    return element


def _option(label: str) -> str:
    return label if len(label) <= 75 else f"{label[:60]}…"


def _cut(text: str | None) -> str:
    return shortened_again(text or "", 400)
