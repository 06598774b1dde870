-- Keys of content follow one another, and are wrapped by a master key that may change; which message holds which word.

-- `number`: the newest of a scope seals, all of them open. `wrapped_by`: names the master key; empty: from the time
-- before they had names.
ALTER TABLE content_keys RENAME TO content_keys_for_ever;

CREATE TABLE content_keys (
    key_id      TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    scope       TEXT NOT NULL,
    number      BIGINT NOT NULL DEFAULT 1,
    wrapped     BYTEA NOT NULL,
    wrapped_by  TEXT NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    UNIQUE (tenant_id, scope, number)
);

INSERT INTO content_keys (key_id, tenant_id, scope, wrapped, created_at)
SELECT key_id, tenant_id, scope, wrapped, created_at FROM content_keys_for_ever;

DROP TABLE content_keys_for_ever;

CREATE INDEX content_keys_wrapped_by ON content_keys (wrapped_by, key_id);

-- `word`: keyed, of a stem; `position`: of the message. Nobody tells the one from the other without the tenant's key.
CREATE TABLE message_words (
    word             BIGINT NOT NULL,
    conversation_id  TEXT NOT NULL,
    position         BIGINT NOT NULL,
    PRIMARY KEY (word, position)
);

CREATE INDEX message_words_in ON message_words (conversation_id, word, position);
CREATE INDEX message_words_of ON message_words (position);

-- How far the index goes back. `made_of`: the rules that it was made by; `done_from`: messages from this position on
-- are in it.
CREATE TABLE search_index (
    one        BIGINT PRIMARY KEY,
    made_of    TEXT NOT NULL,
    done_from  BIGINT NOT NULL
);
