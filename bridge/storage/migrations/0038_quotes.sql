-- What vendors offer for how much, in revisions, and what Festimo has asked hosts before an acceptance counts.

-- `number`: 1, 2, 3 ... in its conversation; `revision`: its latest.
CREATE TABLE quotes (
    position         BIGSERIAL PRIMARY KEY,
    quote_id         TEXT NOT NULL UNIQUE,
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    vendor_id        TEXT NOT NULL,
    number           BIGINT NOT NULL,
    revision         BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    UNIQUE (conversation_id, number)
);

-- `content`: sealed: what is offered, with its prices. `message_id`: of the message that shows it. `answered_by`: who
-- accepted, declined or withdrew it.
CREATE TABLE quote_revisions (
    quote_id     TEXT NOT NULL REFERENCES quotes (quote_id),
    revision     BIGINT NOT NULL,
    content      BYTEA NOT NULL,
    valid_until  BIGINT NOT NULL,
    state        TEXT NOT NULL,
    message_id   TEXT NOT NULL UNIQUE REFERENCES messages (message_id),
    answered_by  TEXT,
    answered_at  BIGINT,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (quote_id, revision)
);

CREATE INDEX quote_revisions_open ON quote_revisions (valid_until, quote_id) WHERE state IN ('sent', 'asked');

-- `message_id`: of the message in which Festimo repeats revision and total to one person; `closed_at`: it is over.
CREATE TABLE quote_questions (
    message_id      TEXT PRIMARY KEY REFERENCES messages (message_id),
    quote_id        TEXT NOT NULL REFERENCES quotes (quote_id),
    revision        BIGINT NOT NULL,
    participant_id  TEXT NOT NULL,
    asked_at        BIGINT NOT NULL,
    closed_at       BIGINT
);

CREATE INDEX quote_questions_of ON quote_questions (quote_id, revision);
