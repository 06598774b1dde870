-- Rooms, ghosts and end-to-end encryption. Pickles are encrypted by vodozemac with a key from the configuration.

CREATE TABLE rooms (
    room_id          TEXT PRIMARY KEY,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL UNIQUE,
    members_version  BIGINT NOT NULL DEFAULT 0,
    members_stale    BIGINT NOT NULL DEFAULT 1,
    created_at       BIGINT NOT NULL
);

CREATE TABLE room_members (
    room_id     TEXT NOT NULL REFERENCES rooms (room_id),
    user_id     TEXT NOT NULL,
    membership  TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);

CREATE TABLE ghosts (
    user_id         TEXT PRIMARY KEY,
    tenant_id       TEXT NOT NULL,
    participant_id  TEXT NOT NULL,
    profile_hash    TEXT,
    created_at      BIGINT NOT NULL,
    UNIQUE (tenant_id, participant_id)
);

-- The devices we own: the bot's and one per ghost that has spoken.
CREATE TABLE own_devices (
    user_id     TEXT PRIMARY KEY,
    device_id   TEXT NOT NULL,
    account     TEXT NOT NULL,
    identity_key TEXT NOT NULL,
    published   BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL
);

-- Other people's identities and devices, as /keys/query told them.
CREATE TABLE tracked_users (
    user_id             TEXT PRIMARY KEY,
    version             BIGINT NOT NULL DEFAULT 0,
    stale               BIGINT NOT NULL DEFAULT 1,
    pinned_master_key   TEXT,
    current_master_key  TEXT
);

CREATE TABLE devices (
    user_id       TEXT NOT NULL REFERENCES tracked_users (user_id),
    device_id     TEXT NOT NULL,
    identity_key  TEXT NOT NULL,
    signing_key   TEXT NOT NULL,
    olm           BIGINT NOT NULL,
    signed        BIGINT NOT NULL,
    removed       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, device_id)
);

CREATE TABLE olm_sessions (
    own_user_id   TEXT NOT NULL,
    identity_key  TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    pickle        TEXT NOT NULL,
    used_at       BIGINT NOT NULL,
    PRIMARY KEY (own_user_id, session_id)
);

CREATE INDEX olm_sessions_with ON olm_sessions (own_user_id, identity_key, used_at);

-- One live outbound Megolm session per room and sender. `in_flight` is the ratchet before the last message,
-- which may not be sent yet: whoever still needs the key for it gets it at that index.
CREATE TABLE outbound_sessions (
    room_id     TEXT NOT NULL,
    sender      TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    pickle      TEXT NOT NULL,
    in_flight   TEXT,
    messages    BIGINT NOT NULL DEFAULT 0,
    retired     BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, sender)
);

CREATE TABLE session_shares (
    session_id     TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    device_id      TEXT NOT NULL,
    identity_key   TEXT NOT NULL,
    message_index  BIGINT NOT NULL,
    outcome        TEXT NOT NULL,
    PRIMARY KEY (session_id, user_id, device_id, identity_key)
);

CREATE INDEX session_shares_with ON session_shares (user_id, device_id);

CREATE TABLE to_device (
    seq         BIGSERIAL PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    sender      TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    type        TEXT NOT NULL,
    body        TEXT NOT NULL
);

CREATE INDEX to_device_of ON to_device (session_id);

CREATE TABLE inbound_sessions (
    room_id       TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    sender_key    TEXT NOT NULL,
    sender        TEXT NOT NULL,
    signing_key   TEXT NOT NULL,
    pickle        TEXT NOT NULL,
    first_index   BIGINT NOT NULL,
    received_at   BIGINT NOT NULL,
    PRIMARY KEY (room_id, session_id, sender_key)
);

-- Which event used which index of an inbound session: a second event with the same index is a replay.
CREATE TABLE message_indexes (
    session_id     TEXT NOT NULL,
    message_index  BIGINT NOT NULL,
    event_id       TEXT NOT NULL,
    PRIMARY KEY (session_id, message_index)
);

CREATE TABLE sync_positions (
    user_id     TEXT PRIMARY KEY,
    next_batch  TEXT NOT NULL
);
