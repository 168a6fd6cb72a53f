"""Keeps the leases of this process's runs alive, in one thread for all of them."""

import logging
import threading
import time
from collections.abc import Sequence

from guardkit.core.audit import AuditEvent
from guardkit.core.runs import RunRef
from guardkit.errors import StaleRunError, StorageError
from guardkit.runtime.session import Session

log = logging.getLogger("guardkit")


class Heartbeat:
    """Renews leases every third of their length, and brings back stops that are in force.

    Args:
        lease_seconds: length of a lease. A run whose process dies is taken over after that time.
    """

    def __init__(self, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, session: Session) -> None:
        """Begin to renew a run's lease."""
        with self._lock:
            self._sessions[session.run.run_id] = session
            if self._thread is None or not self._thread.is_alive():
                self._wake.clear()
                self._thread = threading.Thread(target=self._beat, name="guardkit-heartbeat", daemon=True)
                self._thread.start()

    def forget(self, session: Session) -> None:
        """Stop renewing a run's lease."""
        with self._lock:
            self._sessions.pop(session.run.run_id, None)

    def drain(self, run: RunRef) -> Sequence[AuditEvent]:
        """Hand out a live run's buffered audit events, for the transaction of its next checkpoint."""
        with self._lock:
            session = self._sessions.get(run.run_id)
        return () if session is None else session.take()

    def restore(self, run: RunRef, events: Sequence[AuditEvent]) -> None:
        """Take back events whose transaction failed."""
        with self._lock:
            session = self._sessions.get(run.run_id)
        if session is not None:
            session.put_back(events)

    def _beat(self) -> None:
        while not self._wake.wait(min(self.lease_seconds / 3, 1.0)):
            with self._lock:
                sessions = list(self._sessions.values())
                if not sessions:
                    self._thread = None
                    return
            for session in sessions:
                self._renew(session)

    def _renew(self, session: Session) -> None:
        asked_at = time.monotonic()
        try:
            session.stop = session.services.store.renew(session.run, self.lease_seconds)
            session.held_until = asked_at + self.lease_seconds
        except StaleRunError:
            session.lost = True
            self.forget(session)
        except StorageError as error:
            # The lease runs out by itself when the database stays away; until then the next beat tries again.
            log.warning("lease not renewed: %s", error.code)
