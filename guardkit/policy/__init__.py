"""Policies and constitutions, from YAML or Python."""

from guardkit.policy.calendars import CalendarEntry, QuietHours
from guardkit.policy.constitution import Constitution, Principle, PrincipleTest
from guardkit.policy.diff import Change, diff
from guardkit.policy.document import (
    Approver,
    Budgets,
    ExemptionEntry,
    PolicyDocument,
    RouteEntry,
    SourceRules,
    StageEntry,
    ToolEntry,
    ToolRule,
)
from guardkit.policy.facts import Facts
from guardkit.policy.lint import Finding, lint
from guardkit.policy.paused import asks_the_same, still_stands, while_paused
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.policy import Policy
from guardkit.policy.retention import Retention
from guardkit.policy.routes import ApprovalRoute
from guardkit.policy.tools import ToolSchema

__all__ = [
    "ApprovalRoute",
    "Approver",
    "Budgets",
    "CalendarEntry",
    "Change",
    "Constitution",
    "ExemptionEntry",
    "Facts",
    "Finding",
    "PeopleDirectory",
    "Policy",
    "PolicyDocument",
    "Principle",
    "PrincipleTest",
    "QuietHours",
    "Retention",
    "RouteEntry",
    "SourceRules",
    "StageEntry",
    "ToolEntry",
    "ToolRule",
    "ToolSchema",
    "asks_the_same",
    "diff",
    "lint",
    "still_stands",
    "while_paused",
]
