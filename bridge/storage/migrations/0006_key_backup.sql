-- The server-side backup of room keys, our own devices' standing with the homeserver, and older copies of a database.

-- 1 once the key is in the present backup. `restored`: 1 where the key came back out of it.
ALTER TABLE inbound_sessions ADD COLUMN backed_up BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inbound_sessions ADD COLUMN restored BIGINT NOT NULL DEFAULT 0;

CREATE INDEX inbound_sessions_to_back_up ON inbound_sessions (received_at) WHERE backed_up = 0;

-- The backup that `backed_up` speaks of.
CREATE TABLE key_backups (
    user_id  TEXT PRIMARY KEY,
    version  TEXT NOT NULL
);

-- Not 0: whether the homeserver has the device as we know it must be asked before it is used again.
ALTER TABLE own_devices ADD COLUMN doubt BIGINT NOT NULL DEFAULT 1;

CREATE TABLE retired_devices (
    user_id     TEXT NOT NULL,
    device_id   TEXT NOT NULL,
    reason      TEXT NOT NULL,
    retired_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

-- How far the bridge had come, as the homeserver knows it too. `confirmed`: 0 until the homeserver has the number.
CREATE TABLE generations (
    user_id    TEXT PRIMARY KEY,
    number     BIGINT NOT NULL,
    confirmed  BIGINT NOT NULL
);

-- Outbox items that an older copy of the database takes for unsent, and the room has.
CREATE TABLE sent_before (
    item_id   TEXT PRIMARY KEY,
    event_id  TEXT NOT NULL
);
