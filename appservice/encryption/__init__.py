"""End-to-end encryption on vodozemac: all state in our database, read and written per transaction, never cached."""
