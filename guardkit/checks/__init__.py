"""Built-in checks: plain callables over actions, observations and finished steps.

A check says what it found as a `Verdict`, or `None` when it found nothing. What is enforced is the strictest of all
verdicts and rules, so a check can be added without weakening anything.
"""

from guardkit.checks.anomaly import unusual_behaviour
from guardkit.checks.arguments import ArgumentSanity
from guardkit.checks.instructions import InstructionInObservation
from guardkit.checks.next_steps import (
    Assessor,
    clarify_when,
    complete_when,
    retry_when,
    stop_after_failures,
)
from guardkit.checks.provenance import TaintedArguments, tainted
from guardkit.core.verdicts import ActionCheck, ObservationCheck

__all__ = [
    "ArgumentSanity",
    "Assessor",
    "InstructionInObservation",
    "TaintedArguments",
    "clarify_when",
    "complete_when",
    "default_action_checks",
    "default_assessors",
    "default_observation_checks",
    "retry_when",
    "stop_after_failures",
    "tainted",
    "unusual_behaviour",
]


def default_action_checks() -> tuple[tuple[str, ActionCheck], ...]:
    """What judges every action unless a guard is given others, by name."""
    return (("argument-sanity", ArgumentSanity()),)


def default_observation_checks() -> tuple[tuple[str, ObservationCheck], ...]:
    """What judges everything that tools return unless a guard is given others, by name.

    The name is the flag that policies see in `flags`.
    """
    return (("instruction", InstructionInObservation()),)


def default_assessors() -> tuple[tuple[str, Assessor], ...]:
    """What decides the next step unless a guard is given others, by name."""
    return (("failures", stop_after_failures(3)),)
