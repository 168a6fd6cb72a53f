"""Triggers and the modals that they open."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.blocks import identified, view_problems
from guardkit.testing.slack.values import OpenView, SlackRefusal
from guardkit.testing.slack.workspace import Workspace

DEEPEST = 3
"""Views that lie on one another at most."""

LARGEST = 250_000
"""Bytes of a view as JSON."""


@dataclass(slots=True)
class _Trigger:
    user: str
    view: str | None
    expires: float
    used: bool = False


class Modals:
    """Triggers of interactions, and what was opened with them. Every method may be called from any thread.

    Args:
        workspace: names things.
        clock: seconds since the epoch.
        trigger_seconds: how long a trigger can be used.
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float], trigger_seconds: float) -> None:
        self._workspace = workspace
        self._clock = clock
        self._seconds = trigger_seconds
        self._triggers: dict[str, _Trigger] = {}
        self._views: dict[str, OpenView] = {}
        self._lock = workspace.lock

    def trigger(self, user: str, view: str | None = None) -> str:
        """A new trigger.

        Args:
            user: who acts.
            view: id of the view in which they act; `views.push` needs one.
        """
        with self._lock:
            name = f"{self._workspace.fresh('')}.{self._workspace.team_id}.{self._workspace.fresh('x')}"
            self._triggers[name] = _Trigger(user=user, view=view, expires=self._clock() + self._seconds)
            return name

    def expire(self) -> None:
        """Let the lifetime of every trigger be over."""
        with self._lock:
            for trigger in self._triggers.values():
                trigger.expires = float("-inf")

    def open(self, trigger_id: str, view: JsonObject) -> OpenView:
        """Open a modal for who acted.

        Raises:
            SlackRefusal: as `views.open` refuses.
        """
        check_view(view)
        with self._lock:
            trigger = self._exchange(trigger_id)
            for opened in self._stack(trigger.user):
                self._views[opened.id] = replace(opened, open=False)
            return self._put(trigger.user, view, under=None)

    def push(self, trigger_id: str, view: JsonObject) -> OpenView:
        """Lay a modal on the one in which somebody acted.

        Raises:
            SlackRefusal: as `views.push` refuses.
        """
        check_view(view)
        with self._lock:
            trigger = self._exchange(trigger_id)
            top = self.top(trigger.user)
            if trigger.view is None or top is None:
                raise SlackRefusal("not_found")
            return self.lay(top, view)

    def lay(self, top: OpenView, view: JsonObject) -> OpenView:
        """Lay a checked view on another.

        Raises:
            SlackRefusal: three views lie there already.
        """
        with self._lock:
            if len(self._stack(top.user)) >= DEEPEST:
                raise SlackRefusal("push_limit_reached")
            return self._put(top.user, view, under=top)

    def update(self, view_id: str, view: JsonObject, hash: str | None = None) -> OpenView:
        """Replace an open modal.

        Args:
            view_id: which.
            view: what it shows from now on.
            hash: what the caller believes it to be; `None` does not compare.

        Raises:
            SlackRefusal: as `views.update` refuses.
        """
        check_view(view)
        with self._lock:
            opened = self._views.get(view_id)
            if opened is None or not opened.open:
                raise SlackRefusal("not_found")
            if hash is not None and hash != opened.hash:
                raise SlackRefusal("hash_conflict")
            changed = self._made(opened.id, opened.user, view, opened.root_id, opened.previous_id)
            self._views[opened.id] = changed
            return copy.deepcopy(changed)

    def close(self, view_id: str) -> None:
        """Close one view; the one below it shows again."""
        with self._lock:
            opened = self._views[view_id]
            self._views[view_id] = replace(opened, open=False)

    def clear(self, user: str) -> None:
        """Close all views of a person."""
        with self._lock:
            for opened in self._stack(user):
                self.close(opened.id)

    def get(self, view_id: str) -> OpenView | None:
        """A view as it is now."""
        with self._lock:
            return copy.deepcopy(self._views.get(view_id))

    def top(self, user: str) -> OpenView | None:
        """What a person sees in front."""
        with self._lock:
            stack = self._stack(user)
            return copy.deepcopy(stack[-1]) if stack else None

    def all(self) -> tuple[OpenView, ...]:
        """Every view that was opened, as it is now, oldest first."""
        with self._lock:
            return tuple(copy.deepcopy(opened) for opened in self._views.values())

    def _stack(self, user: str) -> list[OpenView]:
        return [opened for opened in self._views.values() if opened.user == user and opened.open]

    def _exchange(self, trigger_id: str) -> _Trigger:
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise SlackRefusal("invalid_trigger_id")
        if trigger.used:
            raise SlackRefusal("exchanged_trigger_id")
        if self._clock() >= trigger.expires:
            raise SlackRefusal("expired_trigger_id")
        trigger.used = True
        return trigger

    def _put(self, user: str, view: JsonObject, *, under: OpenView | None) -> OpenView:
        name = self._workspace.fresh("V")
        made = self._made(
            name, user, view, name if under is None else under.root_id, None if under is None else under.id
        )
        self._views[name] = made
        return copy.deepcopy(made)

    def _made(
        self, name: str, user: str, view: JsonObject, root_id: str, previous_id: str | None
    ) -> OpenView:
        revision = f"{int(self._clock())}.{self._workspace.fresh('h')}"
        blocks = list(identified(view.get("blocks"), self._workspace.names()))
        stored: JsonObject = {
            "id": name,
            "team_id": self._workspace.team_id,
            "type": "modal",
            "blocks": [*blocks],
            "private_metadata": view.get("private_metadata", ""),
            "callback_id": view.get("callback_id", ""),
            "external_id": view.get("external_id", ""),
            "state": {"values": {}},
            "hash": revision,
            "title": view["title"],
            "close": view.get("close"),
            "submit": view.get("submit"),
            "clear_on_close": view.get("clear_on_close", False),
            "notify_on_close": view.get("notify_on_close", False),
            "previous_view_id": previous_id,
            "root_view_id": root_id,
            "app_id": self._workspace.app_id,
            "bot_id": self._workspace.bot_id,
            "app_installed_team_id": self._workspace.team_id,
        }
        return OpenView(
            id=name, user=user, view=stored, hash=revision, root_id=root_id, previous_id=previous_id
        )


def check_view(view: Json) -> None:
    """Refuse what Slack refuses of a view.

    Raises:
        SlackRefusal: `view_too_large` or `invalid_arguments`.
    """
    if len(json.dumps(view, ensure_ascii=False).encode(errors="surrogatepass")) > LARGEST:
        raise SlackRefusal("view_too_large")
    problems = view_problems(view)
    if problems:
        raise SlackRefusal(
            "invalid_arguments", {"response_metadata": {"messages": [str(problem) for problem in problems]}}
        )
