-- Rooms in which conversations were held before: what was said there stays there, and nothing in a later room can
-- point at it.

CREATE TABLE former_rooms (
    room_id          TEXT PRIMARY KEY,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL,
    replaced_at      BIGINT NOT NULL
);

CREATE INDEX former_rooms_of ON former_rooms (conversation_id, replaced_at);
