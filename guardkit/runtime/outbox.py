"""Sends what has to go out to people: messages that the store hands out, through the channels that policies name."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import TypeVar

from guardkit.core.ports import ApprovalChannel, Store
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError
from guardkit.runtime.driver import Offload

_log = logging.getLogger("guardkit.worker")

T = TypeVar("T")

_TAKEN = 20
"""Messages of one round: so few that a slow channel has sent them before they are handed out again."""


class Outbox:
    """Takes messages from the store and hands them to channels.

    Each channel sends one message after the other, in a thread of its own: one that is slow or limited holds up no
    other, and no database call.

    Args:
        store: hands messages out, and is told what became of them.
        channels: by the names that policies use.
        offload: runs transactions in the store's own threads.
    """

    def __init__(self, store: Store, channels: Mapping[str, ApprovalChannel], offload: Offload) -> None:
        self._store = store
        self._channels = channels
        self._offload = offload
        self._executor: ThreadPoolExecutor | None = None

    async def round(self) -> int:
        """Send what has to go out now. Returns how many messages went out."""
        taken = await self._offload(partial(self._store.deliveries, _TAKEN))
        by_channel = groupby(sorted(taken, key=_channel), key=_channel)
        sending = [self.call(partial(self._send_all, name, tuple(found))) for name, found in by_channel]
        return sum(await asyncio.gather(*sending))

    async def call(self, work: Callable[[], T]) -> T:
        """Do something that waits for a messenger, in a channel's thread."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(len(self._channels) + 1, "guardkit-channel")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Let the threads end with what they are doing. The outbox can be used again afterwards."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    def _send_all(self, name: str, deliveries: Sequence[Delivery]) -> int:
        channel = self._channels.get(name)
        return sum(self._send(channel, delivery) for delivery in deliveries)

    def _send(self, channel: ApprovalChannel | None, delivery: Delivery) -> int:
        approval = self._store.find(delivery.approval_id)
        if approval is None or channel is None:
            # A channel that this worker does not have may be another worker's; people still find it in the inbox.
            self._store.delivered(
                delivery, error="unknown_channel" if channel is None else "unknown_approval"
            )
            return 0
        try:
            rendered = channel.send(delivery, approval)
        except ChannelError as error:
            _log.warning("a message did not go out: %s", error.message)
            self._store.delivered(delivery, error=error.code)
            return 0
        except Exception as error:  # noqa: BLE001  # a channel is somebody else's code; the worker outlives it
            _log.warning("channel %r raised %s", delivery.channel, type(error).__name__)
            self._store.delivered(delivery, error=type(error).__name__)
            return 0
        self._store.delivered(delivery, error=None, rendered=rendered)
        return 1


def _channel(delivery: Delivery) -> str:
    return delivery.channel
