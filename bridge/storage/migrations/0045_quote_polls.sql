-- Quotes that hosts answer in a poll.

-- `poll_id`: of the poll in which hosts answer this revision, if they are asked so.
ALTER TABLE quote_revisions ADD COLUMN poll_id TEXT REFERENCES messages (message_id);

CREATE UNIQUE INDEX quote_revisions_poll ON quote_revisions (poll_id) WHERE poll_id IS NOT NULL;
