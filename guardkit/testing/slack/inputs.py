"""What people type and choose in the inputs of a block, as Slack reports it in `state.values`."""

from collections.abc import Mapping

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.blocks import elements, objects
from guardkit.testing.slack.values import CannotActError

_TYPED = ("plain_text_input", "number_input", "email_text_input", "url_text_input")
_ONE = ("static_select", "radio_buttons")
_SEVERAL = ("checkboxes", "multi_static_select")
_SINGLE = {
    "datepicker": ("initial_date", "selected_date"),
    "timepicker": ("initial_time", "selected_time"),
    "users_select": ("initial_user", "selected_user"),
    "conversations_select": ("initial_conversation", "selected_conversation"),
}


def state_of(blocks: Json, given: Mapping[str, Json], *, complete: bool) -> JsonObject:
    """`state.values`, by block id and action id.

    Args:
        blocks: what is shown, with ids.
        given: what the person entered, by block id or action id: text, a date or a number as it is typed; the value
            of an option, or a list of values. What is not given keeps its initial value.
        complete: whether inputs that are not optional must be filled in.

    Raises:
        CannotActError: an input is not there, cannot hold the value, or is empty though it must not be.
    """
    left = dict(given)
    state: JsonObject = {}
    for block in objects(blocks):
        held: JsonObject = {}
        for element in elements(block):
            if element.get("type") in ("button", "image", "overflow"):
                continue
            entry = _entry(element, left, str(block.get("block_id")))
            held[str(element.get("action_id"))] = entry
            must = complete and block.get("type") == "input" and block.get("optional") is not True
            if must and _empty(entry):
                raise CannotActError(f"the input {block.get('block_id')!r} must be filled in")
        if held:
            state[str(block.get("block_id"))] = held
    if left:
        raise CannotActError(f"no input is called {', '.join(sorted(left))}")
    return state


def _entry(element: JsonObject, left: dict[str, Json], block_id: str) -> JsonObject:
    kind = str(element.get("type"))
    action_id = str(element.get("action_id"))
    name = next((name for name in (action_id, block_id) if name in left), None)
    value = left.pop(name) if name is not None else None
    untouched = name is None
    if kind in _TYPED:
        return {"type": kind, "value": element.get("initial_value") if untouched else _typed(element, value)}
    if kind in _ONE:
        chosen = element.get("initial_option") if untouched else _option(element, value)
        return {"type": kind, "selected_option": chosen}
    if kind in _SEVERAL:
        if untouched:
            return {"type": kind, "selected_options": element.get("initial_options") or []}
        values = value if isinstance(value, list) else [value]
        options: list[Json] = [_option(element, one) for one in values]
        return {"type": kind, "selected_options": options}
    initial, selected = _SINGLE[kind]
    if not untouched and value is not None and not isinstance(value, str):
        raise CannotActError(f"{kind} {action_id!r} takes text, not {value!r}")
    return {"type": kind, selected: element.get(initial) if untouched else value}


def _typed(element: JsonObject, value: Json) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise CannotActError(f"{element.get('action_id')!r} takes text, not {value!r}")
    text = str(value)
    low, high = element.get("min_length"), element.get("max_length")
    if isinstance(low, int) and len(text) < low:
        raise CannotActError(f"{element.get('action_id')!r} takes at least {low} characters")
    if len(text) > (high if isinstance(high, int) else 3000):
        raise CannotActError(f"{element.get('action_id')!r} takes at most {high or 3000} characters")
    if element.get("type") == "number_input":
        _check_number(element, text)
    return text


def _check_number(element: JsonObject, text: str) -> None:
    try:
        number = float(text) if element.get("is_decimal_allowed") is True else int(text)
    except ValueError as error:
        raise CannotActError(f"{element.get('action_id')!r} does not take {text!r}") from error
    low, high = element.get("min_value"), element.get("max_value")
    if (isinstance(low, str) and number < float(low)) or (isinstance(high, str) and number > float(high)):
        raise CannotActError(f"{element.get('action_id')!r} does not take {text!r}")


def _option(element: JsonObject, value: Json) -> JsonObject | None:
    if value is None:
        return None
    offered = [*objects(element.get("options"))]
    for group in objects(element.get("option_groups")):
        offered += objects(group.get("options"))
    for option in offered:
        if option.get("value") == value:
            return option
    raise CannotActError(f"{element.get('action_id')!r} offers no {value!r}")


def _empty(entry: JsonObject) -> bool:
    return all(value is None or value == [] for name, value in entry.items() if name != "type")
