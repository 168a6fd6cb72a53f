"""Pure values and pure rules. No clock, no database, no context variable."""
