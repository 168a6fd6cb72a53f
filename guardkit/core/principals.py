"""Who a run acts for."""

from typing import Literal, TypeAlias

from pydantic import Field

from guardkit.core.values import Value

VerifiedBy: TypeAlias = Literal["host", "server", "local_operator", "nobody"]


class Principal(Value):
    """Who a run acts for. Set when a turn starts, stored with it, never read from state."""

    id: str = Field(min_length=1, max_length=256)
    """Stable id of the person or service, as the host's authentication knows it."""

    tenant: str = Field(default="default", min_length=1, max_length=128)
    """The tenant whose threads, sources and approvals the run may touch."""

    verified_by: VerifiedBy = "host"
    """How the id was established: by the host program, by a LangGraph server's authentication, by being at
    the machine (`local_operator`), or not at all (`nobody`)."""


UNKNOWN = Principal(id="unknown", verified_by="nobody")
"""The principal of a run on a server without authentication."""
