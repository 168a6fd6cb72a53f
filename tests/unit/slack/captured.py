"""Payloads of a local Slack that count when they come as they are."""

from __future__ import annotations

import copy
from typing import Any

from guardkit.core.approvals import Approval
from tests.unit.slack.office import Office


class Taken:
    """A question, and payloads that count when they come as they are."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.approval: Approval = office.ask(allowed=("approve", "edit", "reject", "respond"))
        office.slack.request_url = None
        click: Any = self._unsent("gk_approve")
        office.channel.take(self._unsent("gk_reject"))
        view = office.view(office.ana)
        submission: Any = {
            **{name: click[name] for name in ("user", "team", "api_app_id", "token")},
            "type": "view_submission",
            "trigger_id": "t",
            "view": {
                **view.view,
                "state": {"values": {"reason": {"reason": {"type": "plain_text_input", "value": "no"}}}},
            },
        }
        office.channel.take(self._unsent("gk_edit"))
        form = office.view(office.ana)
        edit = copy.deepcopy(submission)
        edit["view"] = {**form.view, "state": {"values": {"f3": {"f3": {"value": "7.00"}}}}}
        command = {
            "command": "/guardkit",
            "team_id": office.slack.team_id,
            "user_id": office.ana.id,
            "api_app_id": office.slack.app_id,
            "trigger_id": "t",
        }
        self.payloads = [click, submission, edit, command]

    def _unsent(self, action: str) -> Any:
        payload: Any = copy.deepcopy(dict(self.office.click(self.office.ana, action).payload))
        return payload
