"""The demo's bank: a file of payments, one JSON object a line, with the process that made each."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any


class Bank:
    """Pays by appending to a file, so that every process of the demo sees the same payments."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pay(self, claim_id: str, amount: Decimal, iban: str, idempotency_key: str) -> str:
        """Pay. A real bank would refuse a second payment under the same key; this one shows it."""
        line = {
            "claim": claim_id,
            "amount": str(amount),
            "iban": iban,
            "key": idempotency_key,
            "process": os.getpid(),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return f"paid {amount} euros for {claim_id}"

    def payments(self) -> list[dict[str, Any]]:
        """All payments so far."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
