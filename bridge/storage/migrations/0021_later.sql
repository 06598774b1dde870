-- What is said later, what people have ready to say, what somebody wants to see no more, and finding a thread.

-- `scheduled_id`: the message has this id once it is sent. `content`: sealed; nothing once it is sent or cancelled.
CREATE TABLE scheduled_messages (
    position         BIGSERIAL PRIMARY KEY,
    scheduled_id     TEXT NOT NULL UNIQUE,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    sender_id        TEXT NOT NULL,
    content          BYTEA,
    send_at          BIGINT NOT NULL,
    status           TEXT NOT NULL,
    failure_reason   TEXT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE INDEX scheduled_messages_due ON scheduled_messages (send_at, position) WHERE status = 'scheduled';
CREATE INDEX scheduled_messages_of ON scheduled_messages (tenant_id, sender_id, send_at, position);
CREATE INDEX scheduled_messages_of_tenant ON scheduled_messages (tenant_id, send_at, position);

-- `owner_id`: whose it is; empty: everybody's of the tenant. `content`: sealed: title, text, category.
CREATE TABLE quick_replies (
    position        BIGSERIAL PRIMARY KEY,
    quick_reply_id  TEXT NOT NULL UNIQUE,
    tenant_id       TEXT NOT NULL,
    owner_id        TEXT NOT NULL,
    content         BYTEA NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE INDEX quick_replies_of ON quick_replies (tenant_id, owner_id, position);

-- Messages that somebody has deleted for themselves. A position is a message's for ever, and of one tenant.
CREATE TABLE hidden_messages (
    participant_id  TEXT NOT NULL,
    position        BIGINT NOT NULL REFERENCES messages (position),
    tenant_id       TEXT NOT NULL,
    hidden_at       BIGINT NOT NULL,
    PRIMARY KEY (participant_id, position)
);

CREATE INDEX hidden_messages_of ON hidden_messages (position);

CREATE INDEX messages_in_thread ON messages (thread_id, position) WHERE thread_id IS NOT NULL;
CREATE INDEX messages_in_thread_of ON messages (thread_origin, position) WHERE thread_origin IS NOT NULL;
