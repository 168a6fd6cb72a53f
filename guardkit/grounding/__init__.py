"""Answers that rest on authorised sources: admission, claims, citations, verification, judges, and the flow of them."""

from guardkit.grounding.admission import Admission, admit
from guardkit.grounding.chat import ChatJudge
from guardkit.grounding.flow import ground
from guardkit.grounding.index import Index
from guardkit.grounding.judges import (
    Critic,
    Exhibit,
    Failure,
    Judge,
    JudgeAnswer,
    SufficiencyAnswer,
    SufficiencyJudge,
)
from guardkit.grounding.outcome import Grounded, Outcome, Ungrounded
from guardkit.grounding.requests import (
    AskCritic,
    AskJudge,
    AskJudges,
    AskModel,
    AskSufficiency,
    GroundingFlow,
)
from guardkit.grounding.settings import GroundingSettings
from guardkit.grounding.task import Task
from guardkit.grounding.topic import Relevance, RelevanceSettings, relevance
from guardkit.grounding.verifier import Assessment, VerifierSettings, assess

__all__ = [
    "Admission",
    "AskCritic",
    "AskJudge",
    "AskJudges",
    "AskModel",
    "AskSufficiency",
    "Assessment",
    "ChatJudge",
    "Critic",
    "Exhibit",
    "Failure",
    "Grounded",
    "GroundingFlow",
    "GroundingSettings",
    "Index",
    "Judge",
    "JudgeAnswer",
    "Outcome",
    "Relevance",
    "RelevanceSettings",
    "SufficiencyAnswer",
    "SufficiencyJudge",
    "Task",
    "Ungrounded",
    "VerifierSettings",
    "admit",
    "assess",
    "ground",
    "relevance",
]
