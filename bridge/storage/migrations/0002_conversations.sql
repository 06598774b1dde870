-- People, conversations, messages, bookings. Content sits in sealed columns.

CREATE TABLE participants (
    tenant_id       TEXT NOT NULL,
    participant_id  TEXT NOT NULL,
    name            TEXT NOT NULL,
    mxid            TEXT,
    avatar_url      TEXT,
    vendor_type     TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, participant_id)
);

CREATE TABLE conversations (
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL,
    party_id         TEXT NOT NULL,
    vendor_id        TEXT NOT NULL,
    title            TEXT NOT NULL,
    status           TEXT NOT NULL,
    failure          TEXT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    PRIMARY KEY (conversation_id),
    UNIQUE (tenant_id, party_id, vendor_id)
);

CREATE TABLE conversation_members (
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    participant_id   TEXT NOT NULL,
    role             TEXT NOT NULL,
    failure          TEXT,
    away             TEXT,
    joined_at        BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, participant_id),
    FOREIGN KEY (tenant_id, participant_id) REFERENCES participants (tenant_id, participant_id)
);

CREATE INDEX conversation_members_of ON conversation_members (tenant_id, participant_id);

CREATE TABLE messages (
    position         BIGSERIAL PRIMARY KEY,
    tenant_id        TEXT NOT NULL,
    message_id       TEXT NOT NULL UNIQUE,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    sender_id        TEXT,
    sender_type      TEXT NOT NULL,
    kind             TEXT NOT NULL,
    content          BYTEA NOT NULL,
    status           TEXT NOT NULL,
    failure_reason   TEXT,
    origin_id        TEXT UNIQUE,
    created_at       BIGINT NOT NULL
);

CREATE INDEX messages_of ON messages (conversation_id, position);

CREATE TABLE bookings (
    tenant_id        TEXT NOT NULL,
    booking_id       TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    status           TEXT NOT NULL,
    details          BYTEA NOT NULL,
    updated_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, booking_id)
);
