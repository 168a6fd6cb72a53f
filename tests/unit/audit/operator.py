"""Whoever looks after the audit log."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from guardkit.cli import app
from guardkit.core.keys import private_key
from guardkit.core.signing import Signer


class Operator:
    """Somebody at the command line, who keeps the audit keys."""

    def __init__(self, url: str, folder: Path) -> None:
        key = private_key()
        self.environment = {
            "GUARDKIT_DATABASE": url,
            "GUARDKIT_AUDIT_KEY": key,
            "GUARDKIT_AUDIT_PUBLIC_KEYS": Signer(key).public_key,
            "COLUMNS": "200",
        }
        self.file = folder / "head.json"

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(app, ["audit", *arguments], env=self.environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def keep_head(self) -> None:
        self.file.write_text(self.run("head").stdout)

    def verify(self, *arguments: str) -> tuple[int, str]:
        result = self.run("verify", *arguments)
        return result.exit_code, result.stdout

    def verify_with_head(self) -> tuple[int, str]:
        return self.verify("--head", str(self.file))
