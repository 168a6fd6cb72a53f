"""What is around guardkit's spans when somebody else traces LangChain: nobody, OpenInference, or OpenTelemetry's own.

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
}
"""By who else traces. `guard_step` is below the node, or the workflow where nodes have no span.

The tool's own span is beside it: both libraries put it below the run that LangChain says called it, whatever the current
span is.
"""


@pytest.mark.promise("P13")
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("who", list(TREES))
def test_guard_spans_are_below_the_node_that_they_guard(tmp_path: Path, who: str, mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.unit.otel.nested", who, mode, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["tree"] == TREES[who]
    assert said["faults"] == 0
    assert said["errors"] == []
