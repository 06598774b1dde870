-- When somebody who takes part was not there: before they were added, while they were blocked or away.

-- Of messages behind `after_position`, up to `until_position`; NULL: it lasts.
CREATE TABLE absences (
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    participant_id   TEXT NOT NULL,
    after_position   BIGINT NOT NULL,
    until_position   BIGINT,
    PRIMARY KEY (conversation_id, participant_id, after_position)
);

-- Of the past nobody noted it. Certain is what our own clock says: what was said here before they were added, and all
-- that stands before it in the history.
INSERT INTO absences (conversation_id, participant_id, after_position, until_position)
SELECT came.conversation_id, came.participant_id, 0, came.said_before FROM (
    SELECT m.conversation_id, m.participant_id, (
        SELECT MAX(u.position) FROM messages u
        WHERE u.conversation_id = m.conversation_id AND u.from_client = 0 AND u.created_at < m.joined_at
    ) AS said_before
    FROM conversation_members m JOIN conversations c ON c.conversation_id = m.conversation_id
    WHERE m.joined_at > c.created_at
) came WHERE came.said_before IS NOT NULL;

-- And that those who are away now are away from here on.
INSERT INTO absences (conversation_id, participant_id, after_position)
SELECT m.conversation_id, m.participant_id,
    COALESCE((SELECT MAX(u.position) FROM messages u WHERE u.conversation_id = m.conversation_id), 0)
FROM conversation_members m WHERE m.away IS NOT NULL;
