"""Agents on LangGraph servers, as the command line names them."""

# pyright: reportMissingTypeStubs=false

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from guardkit.errors import ConfigurationError, InputError
from guardkit.worker import Resumer


def remote_agents(named: Sequence[str], token_file: Path | None) -> dict[str, Resumer]:
    """The agents by name.

    Args:
        named: each as `AGENT=URL`.
        token_file: holds what is sent as `Authorization: Bearer`. LangGraph's own `LANGGRAPH_API_KEY` is sent as well
            where it is set.

    Raises:
        ConfigurationError: the file cannot be read, or is empty.
        InputError: one is not `AGENT=URL`, or is named twice.
    """
    agents: dict[str, Resumer] = {}
    token = None if token_file is None else _token(token_file)
    for one in named:
        agent, _, url = one.partition("=")
        if not agent or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise InputError(
                f"--remote {one!r} is not AGENT=URL", remedy="for example desk=http://127.0.0.1:2024"
            )
        if agent in agents:
            raise InputError(f"--remote names agent {agent!r} twice")
        agents[agent] = _remote(agent, url, token)
    return agents


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--remote-token-file {str(file)!r} cannot be read: {error}") from error
    if not token:
        raise ConfigurationError(f"--remote-token-file {str(file)!r} is empty")
    return token


def _remote(agent: str, url: str, token: str | None) -> Resumer:
    # Only who works on such an agent pays for importing its client.
    from langgraph.pregel.remote import RemoteGraph  # noqa: PLC0415

    from guardkit.langgraph.remote import RemoteAgent  # noqa: PLC0415

    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return RemoteAgent(RemoteGraph(agent, url=url, headers=headers))
