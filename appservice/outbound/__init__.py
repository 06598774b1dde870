"""From facts in the outbox to the homeserver: one file per kind of fact."""
