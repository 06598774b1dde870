-- Keys of sessions that have ended, of which a device could not be given them for want of a one-time key.
CREATE TABLE owed_keys (
    room_id       TEXT NOT NULL,
    sender        TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    device_id     TEXT NOT NULL,
    identity_key  TEXT NOT NULL,
    ratchet       TEXT NOT NULL,
    PRIMARY KEY (session_id, user_id, device_id, identity_key)
);

CREATE INDEX owed_keys_of ON owed_keys (sender, room_id, user_id, device_id);
CREATE INDEX owed_keys_to ON owed_keys (user_id, device_id);

-- Such a key on its way is not dropped when the session ends with which it was given.
ALTER TABLE to_device ADD COLUMN owed BIGINT NOT NULL DEFAULT 0;
