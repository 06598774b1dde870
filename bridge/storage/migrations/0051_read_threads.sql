-- Threads are read apart from the rest by those whose clients tell of them apart.

-- As `position`, which is of what stands in no thread: up to here they have read what stands in threads, whichever.
ALTER TABLE read_positions ADD COLUMN in_threads BIGINT NOT NULL DEFAULT 0;
UPDATE read_positions SET in_threads = position;

-- `messages_unread`: of what stands in no thread, the other of what does. Both hold all that is looked at to count.
DROP INDEX messages_unread;
CREATE INDEX messages_unread ON messages (
    conversation_id, position, sender_id, created_at, status, deleted_at, thread_id, thread_origin
) WHERE status = 'sent' AND deleted_at IS NULL AND COALESCE(thread_id, thread_origin) IS NULL;
CREATE INDEX messages_in_threads ON messages (
    conversation_id, position, sender_id, created_at, status, deleted_at, thread_id, thread_origin
) WHERE COALESCE(thread_id, thread_origin) IS NOT NULL;

-- As `read_marks`, of what stands in threads. `thread`: by the id that its messages have of what began it, ours or the
-- outside's; empty: of all threads.
CREATE TABLE thread_marks (
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    participant_id   TEXT NOT NULL,
    thread           TEXT NOT NULL,
    position         BIGINT NOT NULL,
    read_at          BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, participant_id, thread, position)
);

INSERT INTO thread_marks (conversation_id, participant_id, thread, position, read_at)
SELECT k.conversation_id, k.participant_id, '', k.position, k.read_at FROM read_marks k WHERE EXISTS (
    SELECT 1 FROM messages u
    WHERE u.conversation_id = k.conversation_id AND COALESCE(u.thread_id, u.thread_origin) IS NOT NULL
);
