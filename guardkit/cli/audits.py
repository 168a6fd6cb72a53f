"""The commands about the audit log."""

from guardkit.cli import audit, erasure

app = audit.app
app.command("certificate")(erasure.audit_certificate)
app.command("verify-certificate")(erasure.audit_verify_certificate)
