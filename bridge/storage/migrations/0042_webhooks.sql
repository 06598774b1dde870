-- What happened is told to programs, too: more precisely than to clients, each event once per endpoint, in order.

ALTER TABLE feed ADD COLUMN event TEXT NOT NULL DEFAULT '';

-- `events`: JSON, a list of names, or null for all. `sealed`: where it is, what it is for, its secrets.
-- `after_seq`: up to where the feed has been read for it.
CREATE TABLE webhook_endpoints (
    endpoint_id   TEXT PRIMARY KEY,
    tenant_id     TEXT NOT NULL,
    events        TEXT NOT NULL,
    sealed        BYTEA NOT NULL,
    disabled      TEXT,
    disabled_at   BIGINT,
    deleted_at    BIGINT,
    after_seq     BIGINT NOT NULL,
    accepted_at   BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

CREATE INDEX webhook_endpoints_of ON webhook_endpoints (tenant_id, created_at, endpoint_id);

-- `state`: next (the first of its lane that waits), behind (waits for that), done, dead.
CREATE TABLE webhook_deliveries (
    seq           BIGSERIAL PRIMARY KEY,
    endpoint_id   TEXT NOT NULL,
    event_id      TEXT NOT NULL,
    event         TEXT NOT NULL,
    lane          TEXT NOT NULL,
    number        BIGINT NOT NULL,
    about         TEXT NOT NULL,
    occurred_at   BIGINT NOT NULL,
    state         TEXT NOT NULL,
    since         BIGINT NOT NULL,
    not_before    BIGINT NOT NULL,
    attempts      BIGINT NOT NULL DEFAULT 0,
    history       TEXT NOT NULL DEFAULT '[]',
    finished_at   BIGINT
);

CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (endpoint_id, event_id);
CREATE UNIQUE INDEX webhook_deliveries_heads ON webhook_deliveries (endpoint_id, lane) WHERE state = 'next';
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, not_before, seq) WHERE state = 'next';
CREATE INDEX webhook_deliveries_behind ON webhook_deliveries (endpoint_id, lane, seq) WHERE state = 'behind';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (endpoint_id, state, seq) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (endpoint_id, seq);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (state, finished_at) WHERE finished_at IS NOT NULL;
