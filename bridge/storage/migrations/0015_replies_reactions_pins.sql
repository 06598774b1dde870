-- What a message answers, which thread it is in, how people react to it, what is pinned, marked and passed on.

-- `reply_origin`, `thread_origin`: the outside's ids, where it was written in a client: what they name may come later.
ALTER TABLE messages ADD COLUMN reply_to TEXT;
ALTER TABLE messages ADD COLUMN reply_origin TEXT;
ALTER TABLE messages ADD COLUMN thread_id TEXT;
ALTER TABLE messages ADD COLUMN thread_origin TEXT;

-- One row per message, person and emoji. `outsider`: the outside's name of somebody who is no participant. `removed_at`:
-- taken back, and the room has yet to be told.
CREATE TABLE reactions (
    position         BIGSERIAL PRIMARY KEY,
    reaction_id      TEXT NOT NULL UNIQUE,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL,
    message_id       TEXT NOT NULL REFERENCES messages (message_id),
    participant_id   TEXT,
    outsider         TEXT,
    emoji            BYTEA NOT NULL,
    created_at       BIGINT NOT NULL,
    removed_at       BIGINT
);

CREATE INDEX reactions_of ON reactions (message_id, position);

-- What stands in the room for a reaction: by the person's own client, or by us for them, or both.
CREATE TABLE reaction_origins (
    origin_id    TEXT PRIMARY KEY,
    reaction_id  TEXT NOT NULL REFERENCES reactions (reaction_id),
    sender       TEXT NOT NULL
);

CREATE INDEX reaction_origins_of ON reaction_origins (reaction_id);

CREATE TABLE pins (
    message_id       TEXT PRIMARY KEY REFERENCES messages (message_id),
    conversation_id  TEXT NOT NULL,
    place            BIGINT NOT NULL
);

CREATE INDEX pins_of ON pins (conversation_id, place);

ALTER TABLE messages ADD COLUMN forwarded BIGINT NOT NULL DEFAULT 0;

CREATE TABLE bookmarks (
    position         BIGSERIAL PRIMARY KEY,
    tenant_id        TEXT NOT NULL,
    participant_id   TEXT NOT NULL,
    message_id       TEXT NOT NULL REFERENCES messages (message_id),
    created_at       BIGINT NOT NULL,
    UNIQUE (participant_id, message_id, tenant_id)
);

CREATE INDEX bookmarks_of ON bookmarks (tenant_id, participant_id, position);
