-- What kind a conversation is and what becomes of it, its links and details, and each person's standing and settings.

-- What there is one conversation for: a party and a vendor, or what stands in for them; nobody else reads these two.
ALTER TABLE conversations RENAME COLUMN party_id TO key_party;
ALTER TABLE conversations RENAME COLUMN vendor_id TO key_vendor;
ALTER TABLE conversations ADD COLUMN party_id TEXT;
ALTER TABLE conversations ADD COLUMN vendor_id TEXT;
ALTER TABLE conversations ADD COLUMN type TEXT NOT NULL DEFAULT 'direct';
ALTER TABLE conversations ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE conversations ADD COLUMN event_id TEXT;
ALTER TABLE conversations ADD COLUMN lead_id TEXT;
ALTER TABLE conversations ADD COLUMN service_type TEXT;
-- Sealed: subject, description, category, tags, metadata.
ALTER TABLE conversations ADD COLUMN details BYTEA;
-- `closed_at` stays while it is archived: then nobody can write in the archive either.
ALTER TABLE conversations ADD COLUMN closed_at BIGINT;
ALTER TABLE conversations ADD COLUMN archived_at BIGINT;
ALTER TABLE conversations ADD COLUMN deleted_at BIGINT;
ALTER TABLE conversations ADD COLUMN blocked_side TEXT;

ALTER TABLE conversation_members ADD COLUMN standing TEXT NOT NULL DEFAULT 'member';
ALTER TABLE conversation_members ADD COLUMN muted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversation_members ADD COLUMN pinned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversation_members ADD COLUMN sound BIGINT NOT NULL DEFAULT 1;
ALTER TABLE conversation_members ADD COLUMN notification_level TEXT NOT NULL DEFAULT 'all';

CREATE INDEX conversations_of_party ON conversations (tenant_id, party_id, created_at, conversation_id);
CREATE INDEX conversations_of_vendor ON conversations (tenant_id, vendor_id, created_at, conversation_id);
CREATE INDEX conversations_of_event ON conversations (tenant_id, event_id, created_at, conversation_id);
CREATE INDEX participants_of_mxid ON participants (tenant_id, mxid);

CREATE TABLE conversation_bookings (
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    booking_id       TEXT NOT NULL,
    PRIMARY KEY (conversation_id, booking_id)
);

CREATE INDEX conversation_bookings_of ON conversation_bookings (tenant_id, booking_id);

-- A party's list of its open conversations, by an id that says nothing about the party.
CREATE TABLE party_lists (
    tenant_id  TEXT NOT NULL,
    party_id   TEXT NOT NULL,
    list_id    TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, party_id)
);

-- The Matrix space that shows such a list.
CREATE TABLE spaces (
    list_id     TEXT PRIMARY KEY REFERENCES party_lists (list_id),
    room_id     TEXT NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL
);

UPDATE conversations SET party_id = key_party, vendor_id = key_vendor;
UPDATE conversation_members SET standing = 'owner' WHERE role = 'host';
INSERT INTO conversation_bookings (tenant_id, conversation_id, booking_id)
SELECT tenant_id, conversation_id, booking_id FROM bookings;
