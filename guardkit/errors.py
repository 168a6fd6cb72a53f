"""Every error that guardkit raises, drawn on one tree.

    GuardkitError
    ├── ConfigurationError              the guard is set up wrongly
    │   ├── MissingKeyError             a signing or link key is not configured
    │   ├── PolicyError                 a policy file, with file, line and remedy
    │   ├── ConstitutionError           a constitution file, likewise
    │   ├── RetentionError              a retention file, likewise
    │   └── CompileError                a graph that cannot be guarded
    │       ├── UndeclaredToolError     a tool that neither a decorator nor the policy names
    │       └── CanaryError             a blocked canary tool would have run
    ├── InputError                      the caller handed in something unusable
    │   ├── CanonicalError              a value without one canonical JSON form
    │   ├── OutsideRunError             a guarded tool called outside a guarded run
    │   └── UnknownApprovalError        no such approval for this tenant
    ├── ActionRefusedError              an action that policy, people or the ledger refuse
    │   └── ActionRejectedError         policy or a reviewer said no
    ├── DecisionRefusedError            an approval decision that does not count, and why
    ├── RunError                        the run may not go on
    │   ├── BusyError                   another run holds the thread
    │   ├── StaleRunError               the run lost its lease; nothing was written
    │   └── FingerprintError            the graph's code changed while the thread was paused
    ├── LegalHoldError                  what is under a legal hold is not removed
    ├── ErasureRefusedError             a person is not erased while something of theirs is not over
    ├── StorageError                    the database cannot be reached or refuses
    │   ├── AuditError                  the audit log cannot be written or does not verify
    │   ├── MissingDataError            a stored value that must exist is gone
    │   └── SealError                   a stored value is not what was encrypted for its place
    ├── ChannelError                    a message to people could not be delivered
    ├── ExportError                     a collector did not take spans of the past
    └── AgentServerError                a LangGraph server does not answer, or lets nobody in

Control flow is not an error: a turn that ends without an answer is the value
[`NoResult`][guardkit.NoResult], and a pause is LangGraph's own interrupt. The one
exception that users raise is [`EffectNotDone`][guardkit.EffectNotDone]; it is
deliberately outside this tree.
"""

from typing import ClassVar


class GuardkitError(Exception):
    """Root of all guardkit errors.

    Attributes:
        code: stable, lower-case identifier of the kind of error, for logs and alerts.
        message: what is wrong, naming the field and the value.
        remedy: what to do about it, or `None` when the message says it all.
    """

    code: ClassVar[str] = "guardkit"

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message if remedy is None else f"{message} ({remedy})")
        self.message = message
        self.remedy = remedy


class ConfigurationError(GuardkitError):
    """The guard is set up wrongly: raised while it is built, never during a run."""

    code = "configuration"


class MissingKeyError(ConfigurationError):
    """A key is not configured, and guardkit invents none outside the demo."""

    code = "missing_key"


class _FileError(ConfigurationError):
    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        where = ":".join(str(part) for part in (file, line) if part is not None)
        parts = [where, field or "", message]
        super().__init__(": ".join(part for part in parts if part), remedy=remedy)
        self.file = file
        self.line = line
        self.field = field


class PolicyError(_FileError):
    """A policy that cannot be enforced as written.

    Attributes:
        file: the policy file, or `None` for a policy built in Python.
        line: 1-based line in that file, if known.
        field: dotted path of the offending entry, e.g. `tools.pay_claim.rules[0].when`.
    """

    code = "policy"


class ConstitutionError(_FileError):
    """A constitution that cannot be applied as written; attributes as in `PolicyError`."""

    code = "constitution"


class RetentionError(_FileError):
    """A retention file that cannot be applied as written; attributes as in `PolicyError`."""

    code = "retention"


class CompileError(ConfigurationError):
    """A graph that cannot be guarded."""

    code = "compile"


class UndeclaredToolError(CompileError):
    """A tool that is not decorated and that the policy does not name."""

    code = "undeclared_tool"


class CanaryError(CompileError):
    """The compile-time canary ran although it was blocked: LangGraph's insides have changed."""

    code = "canary"


class InputError(GuardkitError):
    """The caller handed in something that cannot be used."""

    code = "input"


class CanonicalError(InputError, ValueError):
    """A value that has no single canonical JSON form. Also a `ValueError`, as validators raise.

    Attributes:
        path: where in the value, e.g. `args.amount`.
    """

    code = "canonical"

    def __init__(self, message: str, *, path: str, remedy: str | None = None) -> None:
        super().__init__(f"{path}: {message}", remedy=remedy)
        self.path = path


class OutsideRunError(InputError):
    """A guarded tool was called outside a guarded run."""

    code = "outside_run"


class UnknownApprovalError(InputError):
    """No approval with this id exists for this tenant."""

    code = "unknown_approval"


class ActionRefusedError(GuardkitError):
    """An action did not run. Raised only where no tool message can carry the refusal."""

    code = "action_refused"


class ActionRejectedError(ActionRefusedError):
    """Policy or a reviewer rejected the action."""

    code = "action_rejected"


class DecisionRefusedError(GuardkitError):
    """A decision on an approval does not count; nothing changed.

    Attributes:
        reason: stable identifier, e.g. `already_settled`, `not_an_approver`, `requester`,
            `already_decided`, `assurance_too_low`, `expired`, `digest_mismatch`,
            `edit_invalid`, `not_allowed`, `bad_signature`, `inactive`, `reason_required`,
            `standing_invalid`, `shown_mismatch`, `not_whole`, `not_the_requester`.
    """

    code = "decision_refused"

    def __init__(self, reason: str, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


class RunError(GuardkitError):
    """The run may not go on."""

    code = "run"


class BusyError(RunError):
    """Another run holds the thread's lease."""

    code = "busy"


class StaleRunError(RunError):
    """This run has lost its lease. None of its later writes counts."""

    code = "stale_run"


class FingerprintError(RunError):
    """The graph's code changed while the thread was paused."""

    code = "fingerprint"


class LegalHoldError(GuardkitError):
    """Something is under a legal hold, so nothing of it is removed until the hold is lifted.

    Attributes:
        hold: id of the hold.
    """

    code = "legal_hold"

    def __init__(self, message: str, *, hold: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.hold = hold


class ErasureRefusedError(GuardkitError):
    """A person is not erased while something of theirs is not over; nothing was erased.

    Attributes:
        waiting: what is not over, one text each.
    """

    code = "erasure_refused"

    def __init__(self, message: str, *, waiting: tuple[str, ...], remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.waiting = waiting


class StorageError(GuardkitError):
    """The database cannot be reached, or refuses."""

    code = "storage"


class AuditError(StorageError):
    """The audit log cannot be written, or does not verify."""

    code = "audit"


class MissingDataError(StorageError):
    """A stored value that must exist is gone."""

    code = "missing_data"


class SealError(StorageError):
    """A stored value is not what was encrypted for its row, or this process has no key for it."""

    code = "seal"


class ChannelError(GuardkitError):
    """A message to people could not be delivered."""

    code = "channel"


class ExportError(GuardkitError):
    """A collector cannot be reached or refuses spans of a past thread; they can be sent again."""

    code = "export"


class AgentServerError(GuardkitError):
    """The LangGraph server of an agent cannot be reached, does not let the worker in, or is in trouble."""

    code = "agent_server"
