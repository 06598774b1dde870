-- What cannot be decrypted yet, what was said about it, and Olm sessions to begin anew.

-- The events whose room key is missing; their bodies wait in the inbox.
CREATE TABLE undecryptable_events (
    item_id     TEXT PRIMARY KEY,
    room_id     TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    sender      TEXT NOT NULL,
    sent_at     BIGINT NOT NULL
);

CREATE INDEX undecryptable_events_of ON undecryptable_events (session_id, room_id, sender);

-- When to look for their key again; without a due time it is no longer looked for, but still welcome.
CREATE TABLE missing_keys (
    room_id     TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    sender      TEXT NOT NULL,
    missed_at   BIGINT NOT NULL,
    due_at      BIGINT,
    PRIMARY KEY (session_id, room_id, sender)
);

CREATE INDEX missing_keys_due ON missing_keys (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE withheld_keys (
    room_id      TEXT NOT NULL,
    session_id   TEXT NOT NULL,
    sender       TEXT NOT NULL,
    code         TEXT NOT NULL,
    received_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, sender, session_id)
);

-- Who was told that something of theirs could not be read. `batch`: what can be read by one and the same key.
CREATE TABLE unread_notices (
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    sender           TEXT NOT NULL,
    batch            TEXT NOT NULL,
    told_at          BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, sender, batch)
);

-- state: wanted, sealed (the message that begins the session waits in to_device), done.
CREATE TABLE olm_repairs (
    user_id       TEXT NOT NULL,
    device_id     TEXT NOT NULL,
    identity_key  TEXT NOT NULL,
    state         TEXT NOT NULL,
    wanted_at     BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, identity_key)
);

CREATE INDEX olm_repairs_open ON olm_repairs (wanted_at) WHERE state <> 'done';

-- Shares are of use while their session is.
DELETE FROM session_shares WHERE session_id NOT IN (SELECT session_id FROM outbound_sessions);

-- A device id may return with other keys. What was said with the former ones remains its owner's.
ALTER TABLE devices RENAME TO devices_by_id;

CREATE TABLE devices (
    user_id       TEXT NOT NULL REFERENCES tracked_users (user_id),
    device_id     TEXT NOT NULL,
    identity_key  TEXT NOT NULL,
    signing_key   TEXT NOT NULL,
    olm           BIGINT NOT NULL,
    signed        BIGINT NOT NULL,
    removed       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, device_id, identity_key, signing_key)
);

INSERT INTO devices (user_id, device_id, identity_key, signing_key, olm, signed, removed)
SELECT user_id, device_id, identity_key, signing_key, olm, signed, removed FROM devices_by_id;

DROP TABLE devices_by_id;
