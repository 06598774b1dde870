-- What somebody said, newest first: a search among it need not look at what all others said.
CREATE INDEX messages_by_sender ON messages (tenant_id, sender_id, position) WHERE sender_id IS NOT NULL;
