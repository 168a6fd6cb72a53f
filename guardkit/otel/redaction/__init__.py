"""What is taken out of content before it leaves. Best effort: that is why no content leaves by default."""

from guardkit.otel.redaction.contacts import EMAIL, PHONE
from guardkit.otel.redaction.entropy import RANDOM
from guardkit.otel.redaction.numbers import CARD, IBAN
from guardkit.otel.redaction.redactor import Redactor, redact
from guardkit.otel.redaction.secrets import SECRET


def default_redactors() -> tuple[Redactor, ...]:
    """Secrets, bank accounts, payment cards, e-mail addresses and telephone numbers."""
    return (SECRET, IBAN, CARD, RANDOM, EMAIL, PHONE)


__all__ = ["Redactor", "default_redactors", "redact"]
