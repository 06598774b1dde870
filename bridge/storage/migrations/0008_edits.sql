-- What was changed or deleted after it was said. `content` stays what was said first; edits lie over it.

ALTER TABLE messages ADD COLUMN origin_sender TEXT;
ALTER TABLE messages ADD COLUMN from_client BIGINT NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN edited_content BYTEA;
ALTER TABLE messages ADD COLUMN edited_at BIGINT;
ALTER TABLE messages ADD COLUMN deleted_at BIGINT;

UPDATE messages SET from_client = 1 WHERE EXISTS (
    SELECT 1 FROM inbox WHERE inbox.id = 'matrix:' || messages.origin_id
);

-- Every edit of a message; `content` goes with the message, the origin id stays: what it names has to be deleted, too.
CREATE TABLE message_edits (
    edit_id     TEXT PRIMARY KEY,
    message_id  TEXT NOT NULL REFERENCES messages (message_id),
    content     BYTEA,
    origin_id   TEXT UNIQUE,
    edited_at   BIGINT NOT NULL
);

CREATE INDEX message_edits_of ON message_edits (message_id, edited_at);
