"""Ed25519 signatures on decisions and audit heads.

The process that verified a person holds the private key; a process that runs graphs holds only public keys, so it can
check decisions and cannot make them up.
"""

import base64
import binascii
import hashlib
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guardkit.core.approvals import ApprovalDecision
from guardkit.core.audit import AuditHead
from guardkit.core.digest import canonical
from guardkit.core.erasure import ErasureCertificate
from guardkit.core.standing import StandingRevocation
from guardkit.core.values import JsonObject
from guardkit.errors import ConfigurationError


def _decode(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"{what} is not base64") from error
    if len(raw) != 32:
        raise ConfigurationError(f"{what} has {len(raw)} bytes, an Ed25519 key has 32")
    return raw


def _message(domain: str, part: JsonObject) -> bytes:
    return canonical([domain, part], path=domain)


class Verifier:
    """Checks signatures against a set of public keys, so that keys can be rotated.

    Args:
        public_keys: raw Ed25519 public keys in base64.

    Raises:
        ConfigurationError: a key is malformed.
    """

    def __init__(self, public_keys: tuple[str, ...]) -> None:
        self._keys: dict[str, Ed25519PublicKey] = {}
        for text in public_keys:
            raw = _decode(text, "a public key")
            self._keys[key_id(raw)] = Ed25519PublicKey.from_public_bytes(raw)

    def _check(self, domain: str, part: JsonObject, key: str, signature: str) -> bool:
        public = self._keys.get(key)
        if public is None:
            return False
        try:
            public.verify(base64.b64decode(signature, validate=True), _message(domain, part))
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def decision(self, decision: ApprovalDecision) -> bool:
        """Whether a known key signed exactly this decision."""
        return self._check(
            "guardkit.decision.v1", decision.signed_part(), decision.key_id, decision.signature
        )

    def revocation(self, revocation: StandingRevocation) -> bool:
        """Whether a known key signed exactly this revocation."""
        return self._check(
            "guardkit.standing-revocation.v1",
            revocation.signed_part(),
            revocation.key_id,
            revocation.signature,
        )

    def head(self, head: AuditHead) -> bool:
        """Whether a known key signed exactly this head."""
        return self._check("guardkit.audit-head.v1", head.signed_part(), head.key_id, head.signature)

    def certificate(self, certificate: ErasureCertificate) -> bool:
        """Whether a known key signed exactly this certificate."""
        return self._check(
            "guardkit.erasure.v1", certificate.signed_part(), certificate.key_id, certificate.signature
        )


class DecisionSigner(Protocol):
    """Signs what people say: a `Signer`, or a key that is read only where answers are taken."""

    def decision(self, decision: ApprovalDecision) -> ApprovalDecision:
        """The decision with a key's id and its signature."""
        ...

    def revocation(self, revocation: StandingRevocation) -> StandingRevocation:
        """The revocation with a key's id and its signature."""
        ...


class Signer:
    """Signs with one private key.

    Args:
        private_key: raw Ed25519 private key (seed) in base64.

    Raises:
        ConfigurationError: the key is malformed.
    """

    def __init__(self, private_key: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_decode(private_key, "the private key"))
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = base64.b64encode(raw).decode()
        self.key_id = key_id(raw)

    def _sign(self, domain: str, part: JsonObject) -> str:
        return base64.b64encode(self._key.sign(_message(domain, part))).decode()

    def decision(self, decision: ApprovalDecision) -> ApprovalDecision:
        """The decision with this key's id and signature."""
        named = decision.model_copy(update={"key_id": self.key_id, "signature": ""})
        return named.model_copy(update={"signature": self._sign("guardkit.decision.v1", named.signed_part())})

    def revocation(self, revocation: StandingRevocation) -> StandingRevocation:
        """The revocation with this key's id and signature."""
        named = revocation.model_copy(update={"key_id": self.key_id, "signature": ""})
        signature = self._sign("guardkit.standing-revocation.v1", named.signed_part())
        return named.model_copy(update={"signature": signature})

    def head(self, head: AuditHead) -> AuditHead:
        """The head with this key's id and signature."""
        named = head.model_copy(update={"key_id": self.key_id, "signature": ""})
        return named.model_copy(
            update={"signature": self._sign("guardkit.audit-head.v1", named.signed_part())}
        )

    def certificate(self, certificate: ErasureCertificate) -> ErasureCertificate:
        """The certificate with this key's id and signature."""
        named = certificate.model_copy(update={"key_id": self.key_id, "signature": ""})
        return named.model_copy(update={"signature": self._sign("guardkit.erasure.v1", named.signed_part())})


def key_id(public: bytes) -> str:
    """The short name of a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]
