-- Votes and ends of polls, and the media of a conversation. What a poll asks is a message's content.

-- Every vote, those that others have replaced too: one that is taken from the room lets the one before it count again.
-- `answers`: ids that we gave, by comma; empty: none. `in_room`: 0 where the room cannot show it. `origin_id`: the
-- outside's, once it has it, and `origin_sender` who sent it there.
CREATE TABLE poll_votes (
    position         BIGSERIAL PRIMARY KEY,
    vote_id          TEXT NOT NULL UNIQUE,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL,
    message_id       TEXT NOT NULL REFERENCES messages (message_id),
    participant_id   TEXT,
    outsider         TEXT,
    answers          TEXT NOT NULL,
    in_room          BIGINT NOT NULL,
    origin_id        TEXT UNIQUE,
    origin_sender    TEXT,
    voted_at         BIGINT NOT NULL
);

CREATE INDEX poll_votes_of ON poll_votes (message_id, position);

-- `origin_id`: of what ended it in the room; until that is known, `closed_at` is our own time.
CREATE TABLE poll_ends (
    message_id  TEXT PRIMARY KEY REFERENCES messages (message_id),
    closed_at   BIGINT NOT NULL,
    origin_id   TEXT
);

CREATE INDEX messages_with_media ON messages (conversation_id, position)
    WHERE kind IN ('image', 'file', 'video', 'audio', 'voice') AND deleted_at IS NULL;
