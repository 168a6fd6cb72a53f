"""From a builder to a guarded graph: tools found and judged, insides checked, nodes woven."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.tools import BaseTool
from langgraph.graph import StateGraph

from guardkit.core.steps import ToolKind, Trust
from guardkit.errors import CompileError, UndeclaredToolError
from guardkit.langgraph.canary import check_insides
from guardkit.langgraph.declaring import guarded
from guardkit.langgraph.fingerprint import fingerprint
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.runs import Runs
from guardkit.langgraph.tools import GuardedTool
from guardkit.langgraph.weaving import tools_in, woven
from guardkit.langgraph.wrapping import NodeHost
from guardkit.policy import Policy, ToolSchema
from guardkit.runtime.heartbeat import Heartbeat
from guardkit.runtime.session import Services
from guardkit.runtime.tools import ToolSpec


def compiled(
    builder: StateGraph[Any, Any, Any, Any],
    *,
    declared: Mapping[str, GuardedTool],
    policy: Policy,
    services: Callable[[Policy, Mapping[str, ToolSpec]], Services],
    heartbeat: Heartbeat,
    host: NodeHost,
    options: Mapping[str, Any],
) -> GuardedGraph:
    """The guarded form of what a builder builds.

    Args:
        builder: an ordinary builder; it is left as it is.
        declared: decorated tools by name.
        policy: not yet bound to tools.
        services: what the graph's runs share, from the bound policy and the tools.
        heartbeat: keeps leases alive.
        host: what the wrappers of the nodes share.
        options: for LangGraph's `compile`.

    Raises:
        CanaryError: the installed LangGraph does not hold guardkit's gates.
        CompileError: a node caches its results, the state has a `guard` key, or two tools have one name.
        PolicyError: the policy does not fit the tools.
        UndeclaredToolError: a tool is neither decorated nor named by the policy.
    """
    check_insides()
    plain = builder.compile(**options)
    tools = gathered(declared, tools_in(plain), policy)
    specs = {name: tool.spec for name, tool in tools.items()}
    bound = policy.bind({name: schema_of(spec) for name, spec in specs.items()})
    runs = Runs(services=services(bound, specs), heartbeat=heartbeat, fingerprint=fingerprint(plain, specs))
    attributes = woven(plain, host, lambda tool: tools[tool.name])
    return GuardedGraph(runs=runs, offload=host.offload, **attributes)


def gathered(
    declared: Mapping[str, GuardedTool], found: Mapping[str, list[BaseTool]], policy: Policy
) -> dict[str, GuardedTool]:
    """The guarded form of every tool of a graph.

    Raises:
        CompileError: two tools have one name.
        UndeclaredToolError: a tool is neither decorated nor named by the policy, or shadows a decorated one.
    """
    tools = dict(declared)
    for name, instances in found.items():
        for tool in instances:
            if isinstance(tool, GuardedTool):
                if tools.setdefault(name, tool) is not tool:
                    raise _doubled(name)
            elif name in tools and not tools[name].spec.declared:
                raise _doubled(name)
            elif name in tools:
                raise UndeclaredToolError(
                    f"the graph holds an undecorated tool {name!r} beside the decorated one",
                    remedy="give the graph the decorated tool",
                )
            elif name not in policy.document.tools:
                raise UndeclaredToolError(
                    f"tool {name!r} is neither decorated nor named by policy {policy.name!r}",
                    remedy="decorate it with guard.effect or guard.read, or add it to the policy's tools",
                )
            else:
                tools[name] = guarded(tool, kind=ToolKind.EFFECT, trust=Trust.UNTRUSTED, declared=False)
    return tools


def _doubled(name: str) -> CompileError:
    return CompileError(
        f"two tools are called {name!r}",
        remedy="guard one of them and use it everywhere, or give one another name=",
    )


def schema_of(spec: ToolSpec) -> ToolSchema:
    """What a policy has to know of a tool."""
    return ToolSchema(
        name=spec.name, kind=spec.kind, json_schema=spec.json_schema, schema_version=spec.schema_version
    )
