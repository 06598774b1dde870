"""The whole database in one sealed file, and back: the same file for SQLite and PostgreSQL."""
