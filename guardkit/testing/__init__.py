"""Fakes and contract suites that ship with guardkit, for the tests of those who use it."""

from guardkit.testing.anomalies import MemoryAnomalies
from guardkit.testing.channels import FakeChannel
from guardkit.testing.clock import FakeClock
from guardkit.testing.extractive import ExtractiveModel
from guardkit.testing.memory import MemoryStore
from guardkit.testing.scripted import ScriptedModel, ScriptError, calls
from guardkit.testing.unguarded import run_unguarded

__all__ = [
    "ExtractiveModel",
    "FakeChannel",
    "FakeClock",
    "MemoryAnomalies",
    "MemoryStore",
    "ScriptError",
    "ScriptedModel",
    "calls",
    "run_unguarded",
]
