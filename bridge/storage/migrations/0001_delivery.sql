-- What came in and has to be applied, what was decided and has to be told. Bodies are sealed.

CREATE TABLE content_keys (
    key_id      TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    scope       TEXT NOT NULL,
    wrapped     BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (tenant_id, scope)
);

CREATE TABLE inbox (
    seq          BIGSERIAL PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    tenant_id    TEXT NOT NULL,
    lane         TEXT NOT NULL,
    topic        TEXT NOT NULL,
    body         BYTEA,
    body_hash    BYTEA NOT NULL,
    state        TEXT NOT NULL DEFAULT 'waiting',
    parked_for   TEXT,
    attempts     BIGINT NOT NULL DEFAULT 0,
    faults       BIGINT NOT NULL DEFAULT 0,
    not_before   BIGINT NOT NULL DEFAULT 0,
    failure      TEXT,
    created_at   BIGINT NOT NULL,
    finished_at  BIGINT
);

CREATE INDEX inbox_waiting ON inbox (lane, seq) WHERE state = 'waiting';
CREATE INDEX inbox_parked ON inbox (parked_for) WHERE state = 'parked';

CREATE TABLE outbox (
    seq          BIGSERIAL PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    tenant_id    TEXT NOT NULL,
    lane         TEXT NOT NULL,
    topic        TEXT NOT NULL,
    body         BYTEA,
    prepared     BYTEA,
    prepared_at  BIGINT,
    state        TEXT NOT NULL DEFAULT 'waiting',
    attempts     BIGINT NOT NULL DEFAULT 0,
    faults       BIGINT NOT NULL DEFAULT 0,
    not_before   BIGINT NOT NULL DEFAULT 0,
    failure      TEXT,
    created_at   BIGINT NOT NULL,
    finished_at  BIGINT
);

CREATE INDEX outbox_waiting ON outbox (lane, seq) WHERE state = 'waiting';
