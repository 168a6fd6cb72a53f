"""The commands about the database."""

from guardkit.cli import downgrading, encryption, erasure, operate, retention, safekeeping, takeover

app = operate.db
app.command("check")(safekeeping.db_check)
app.command("downgrade")(downgrading.db_downgrade)
app.command("backup")(safekeeping.db_backup)
app.command("roles")(safekeeping.db_roles)
app.command("erase")(erasure.db_erase)
app.command("encrypt")(encryption.db_encrypt)
app.command("rekey")(encryption.db_rekey)
app.command("import")(takeover.db_import)
app.command("prune")(retention.db_prune)
app.command("size")(retention.db_size)
app.add_typer(retention.hold, name="hold")
