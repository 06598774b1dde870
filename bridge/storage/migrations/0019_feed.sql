-- What happened, in an order that a reader with a cursor can rely on: `seq` is given after the commit, by one alone.

CREATE TABLE feed (
    entry            BIGSERIAL PRIMARY KEY,
    event_id         TEXT NOT NULL,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL,
    kind             TEXT NOT NULL,
    about            TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    seq              BIGINT,
    number           BIGINT
);

CREATE INDEX feed_new ON feed (entry) WHERE seq IS NULL;
CREATE UNIQUE INDEX feed_order ON feed (seq) WHERE seq IS NOT NULL;
CREATE INDEX feed_of ON feed (conversation_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX feed_of_tenant ON feed (tenant_id, seq) WHERE seq IS NOT NULL;

-- `last`: the number of a conversation's newest entry; it goes on when that entry is forgotten.
CREATE TABLE feed_numbers (
    conversation_id  TEXT PRIMARY KEY,
    last             BIGINT NOT NULL
);

