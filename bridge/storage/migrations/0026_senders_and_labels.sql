-- What somebody said, newest first: a search among it need not look at what all others said.
CREATE INDEX messages_by_sender ON messages (tenant_id, sender_id, position) WHERE sender_id IS NOT NULL;

-- Priority, tags, booking and metadata of those messages that have any, sealed.
CREATE TABLE message_labels (
    message_id  TEXT PRIMARY KEY REFERENCES messages (message_id),
    content     BYTEA NOT NULL
);
