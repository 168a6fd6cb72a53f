"""What is around guardkit's spans when somebody else traces LangChain: nobody, OpenInference, OpenTelemetry's own,
Traceloop or LangSmith.

Tracing a callback handler is for the whole process, so each kind is tried in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TREES: dict[str, str] = {
    "none": """\
app
  run_turn clerk
    guard_step look_up
      apply_policy mail
        apply_guardrail tidy
""",
    "openinference": """\
app
  run_turn clerk
    clerk
      think
        ScriptedModel
        tools_condition
      tools
        guard_step look_up
          apply_policy mail
            apply_guardrail tidy
        look_up
      think
        ScriptedModel
        tools_condition
""",
    "official": """\
app
  run_turn clerk
    invoke_workflow clerk
      guard_step look_up
        apply_policy mail
          apply_guardrail tidy
      execute_tool look_up
""",
    "traceloop": """\
app
  run_turn clerk
    invoke_agent clerk
      clerk.workflow
        execute_task think
          ScriptedModel.chat
          execute_task tools_condition
        execute_task tools
          guard_step look_up
            apply_policy mail
              apply_guardrail tidy
          execute_tool look_up
        execute_task think
          ScriptedModel.chat
          execute_task tools_condition
""",
    "langsmith": """\
app
  run_turn clerk
    clerk
      think
        ScriptedModel
        tools_condition
      tools
        look_up
      think
        ScriptedModel
        tools_condition
    guard_step look_up
      apply_policy mail
        apply_guardrail tidy
""",
}
"""By who else traces. `guard_step` is below the node, or the workflow where nodes have no span.

LangSmith makes its spans after the run, from what it kept of it: no span of a node is there for `guard_step` to be below. The
tool's own span is beside it: all of them put it below the run that LangChain says called it, whatever the current span is.
"""


@pytest.mark.promise("P13")
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("who", list(TREES))
def test_guard_spans_are_where_others_let_them_be(tmp_path: Path, who: str, mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.unit.otel.nested", who, mode, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["tree"] == TREES[who]
    assert said["faults"] == 0
    assert said["errors"] == []
