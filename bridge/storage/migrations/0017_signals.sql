-- Who has read how far, and when somebody was last seen.

-- How far each person has read each conversation: up to this position, their own messages apart. It only ever grows.
CREATE TABLE read_positions (
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    participant_id   TEXT NOT NULL,
    position         BIGINT NOT NULL,
    read_at          BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, participant_id)
);

-- Each step of that: a message was read at the first step that reached it.
CREATE TABLE read_marks (
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    participant_id   TEXT NOT NULL,
    position         BIGINT NOT NULL,
    read_at          BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, participant_id, position)
);

-- All that is looked at to count what is unread; the last two columns so that SQLite need not look at the messages.
CREATE INDEX messages_unread ON messages (conversation_id, position, sender_id, created_at, status, deleted_at)
    WHERE status = 'sent' AND deleted_at IS NULL;

-- Coarsely; whether somebody is there now is not stored.
CREATE TABLE last_seen (
    tenant_id       TEXT NOT NULL,
    participant_id  TEXT NOT NULL,
    seen_at         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, participant_id)
);

CREATE INDEX participants_of_account ON participants (mxid);
