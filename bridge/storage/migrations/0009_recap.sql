-- Whether those who were invited have a device to read with, and the one recap of what they missed without.

-- One row per account holder and conversation. `address`: the person's outside name. `asked_at`, `found_at`: by our clock;
-- `invited_at`, `joined_at`: by the homeserver's. `found_before`: our own messages before this position were missed.
-- `left_out`, `earliest`: how many messages the recap only counts, and the first of them. `fingerprint`: of what it
-- says; `changed`: 1 while an edit of it is on its way.
CREATE TABLE recaps (
    recap_id         TEXT PRIMARY KEY,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    participant_id   TEXT NOT NULL,
    address          TEXT NOT NULL,
    state            TEXT NOT NULL,
    asked_at         BIGINT,
    invited_at       BIGINT,
    found_at         BIGINT,
    found_before     BIGINT,
    joined_at        BIGINT,
    private          BIGINT NOT NULL DEFAULT 0,
    left_out         BIGINT NOT NULL DEFAULT 0,
    earliest         TEXT,
    origin_id        TEXT,
    fingerprint      BYTEA,
    changed          BIGINT NOT NULL DEFAULT 0,
    UNIQUE (conversation_id, participant_id)
);

CREATE INDEX recaps_of ON recaps (address, state);

-- What a recap repeats: whoever changes or deletes it changes the recap.
CREATE TABLE recap_sources (
    recap_id    TEXT NOT NULL REFERENCES recaps (recap_id),
    message_id  TEXT NOT NULL REFERENCES messages (message_id),
    PRIMARY KEY (recap_id, message_id)
);

CREATE INDEX recap_sources_of ON recap_sources (message_id);

-- 1: not a conversation's room, but the bot's and one person's; `conversation_id` is then the recap's id.
ALTER TABLE rooms ADD COLUMN private BIGINT NOT NULL DEFAULT 0;
