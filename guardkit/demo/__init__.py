"""The demo: an insurance claims desk, whole, on embedded SQLite."""
