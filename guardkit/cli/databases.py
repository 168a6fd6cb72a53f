"""The commands about the database."""

from guardkit.cli import downgrading, operate, retention, safekeeping, takeover

app = operate.db
app.command("check")(safekeeping.db_check)
app.command("downgrade")(downgrading.db_downgrade)
app.command("backup")(safekeeping.db_backup)
app.command("roles")(safekeeping.db_roles)
app.command("import")(takeover.db_import)
app.command("prune")(retention.db_prune)
app.command("size")(retention.db_size)
app.add_typer(retention.hold, name="hold")
