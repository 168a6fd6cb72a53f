"""Keys: who holds which. All of them can be rotated; none is invented outside a demo or a test."""

import base64
import secrets
from collections.abc import Callable

from pydantic import SecretStr

from guardkit.core.approvals import ApprovalDecision
from guardkit.core.signing import Signer
from guardkit.core.standing import StandingRevocation
from guardkit.core.values import Value
from guardkit.errors import ConfigurationError, MissingKeyError


class Keys(Value):
    """The keys of one process. Give each process only those that it needs."""

    decision_key: SecretStr | None = None
    """Ed25519 private key (32 bytes, base64) that signs people's decisions. Whatever takes answers holds it: the inbox,
    the command line, a worker that listens to a messenger. A process that runs graphs must not."""

    decision_public_keys: tuple[str, ...] = ()
    """Public keys whose decisions count. Every process that runs graphs needs them; list old and new while rotating."""

    audit_key: SecretStr | None = None
    """Ed25519 private key that signs audit heads. No process that runs agents holds it."""

    audit_public_keys: tuple[str, ...] = ()
    """Public keys whose audit heads count."""

    web_secret: SecretStr | None = None
    """HMAC key (any text of 32 or more characters) for sign-in links, sessions and form tokens of the inbox."""

    @classmethod
    def generate(cls) -> "Keys":
        """New keys for everything, for demos and tests: what was signed with the last ones counts no more."""
        decision, audit = private_key(), private_key()
        return cls(
            decision_key=SecretStr(decision),
            decision_public_keys=(Signer(decision).public_key,),
            audit_key=SecretStr(audit),
            audit_public_keys=(Signer(audit).public_key,),
            web_secret=SecretStr(secrets.token_urlsafe(32)),
        )

    def for_agent(self) -> "Keys":
        """Only what a process that runs graphs may hold: public keys."""
        return Keys(decision_public_keys=self.decision_public_keys, audit_public_keys=self.audit_public_keys)

    def decision_signer(self) -> Signer:
        """The signer of decisions.

        Raises:
            MissingKeyError: this process has no decision key.
        """
        return _signer(self.decision_key, "decision_key", "GUARDKIT_DECISION_KEY")

    def audit_signer(self) -> Signer:
        """The signer of audit heads.

        Raises:
            MissingKeyError: this process has no audit key.
        """
        return _signer(self.audit_key, "audit_key", "GUARDKIT_AUDIT_KEY")


class DecisionKey:
    """The decision key of one process: not read until the process says that it takes answers.

    Args:
        read: makes the signer of decisions; raises `MissingKeyError` where no key is configured.
    """

    def __init__(self, read: Callable[[], Signer]) -> None:
        self._read = read
        self._signer: Signer | None = None

    def open(self) -> None:
        """Read the key: this process takes answers from now on.

        Raises:
            ConfigurationError: the key cannot be read, or is malformed.
            MissingKeyError: this process has none.
        """
        if self._signer is None:
            self._signer = self._read()

    def check(self, public_keys: tuple[str, ...]) -> None:
        """See that what this process signs counts. One that takes no answers signs nothing.

        Args:
            public_keys: those whose decisions count.

        Raises:
            ConfigurationError: its own is not among them.
        """
        if self._signer is not None and public_keys and self._signer.public_key not in public_keys:
            raise ConfigurationError(
                "decisions of this process do not count: its public key is not among decision_public_keys",
                remedy="add it to GUARDKIT_DECISION_PUBLIC_KEYS",
            )

    def decision(self, decision: ApprovalDecision) -> ApprovalDecision:
        """The decision, signed.

        Raises:
            MissingKeyError: this process takes no answers.
        """
        return self._opened().decision(decision)

    def revocation(self, revocation: StandingRevocation) -> StandingRevocation:
        """The revocation, signed.

        Raises:
            MissingKeyError: this process takes no answers.
        """
        return self._opened().revocation(revocation)

    def _opened(self) -> Signer:
        if self._signer is None:
            raise MissingKeyError(
                "this process takes no answers, so it signs nothing",
                remedy="take them where the decision key is: in the inbox, or in `guardkit worker --parts messages,answers`",
            )
        return self._signer


def private_key() -> str:
    """A new Ed25519 private key, base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _signer(key: SecretStr | None, name: str, variable: str) -> Signer:
    if key is None:
        raise MissingKeyError(
            f"{name} is not configured",
            remedy=f"set {variable} in this process; `guardkit keys new` makes one",
        )
    return Signer(key.get_secret_value())
