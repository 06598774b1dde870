"""What each family of the platform's events does, in the transaction that applies it."""
