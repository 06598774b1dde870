-- Several parties of a conversation, who hosts a party, what became of a request for help, how fast each side answers.

-- The parties a conversation is listed under: to find it by, and in it their ids, with spaces between, the first one
-- first. `conversations.party_id` stays the one it was opened for.
ALTER TABLE conversations ADD COLUMN party_ids TEXT NOT NULL DEFAULT '';

CREATE TABLE conversation_parties (
    tenant_id        TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    party_id         TEXT NOT NULL,
    PRIMARY KEY (conversation_id, party_id)
);

CREATE INDEX conversation_parties_of ON conversation_parties (tenant_id, party_id);

UPDATE conversations SET party_ids = party_id WHERE party_id IS NOT NULL;
INSERT INTO conversation_parties (tenant_id, conversation_id, party_id)
SELECT tenant_id, conversation_id, party_id FROM conversations WHERE party_id IS NOT NULL;

-- Who plans which party, as they were named with it.
CREATE TABLE party_hosts (
    tenant_id       TEXT NOT NULL,
    party_id        TEXT NOT NULL,
    participant_id  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, party_id, participant_id)
);

INSERT INTO party_hosts (tenant_id, party_id, participant_id)
SELECT DISTINCT c.tenant_id, c.party_id, m.participant_id FROM conversations c
JOIN conversation_members m ON m.conversation_id = c.conversation_id
WHERE c.party_id IS NOT NULL AND c.type = 'direct' AND m.role = 'host';

-- Of support only: has the question been settled?
ALTER TABLE conversations ADD COLUMN resolution TEXT;
ALTER TABLE conversations ADD COLUMN resolved_at BIGINT;

UPDATE conversations SET resolution = 'open' WHERE type = 'support';

-- Who is kept out takes no part until that is over.
UPDATE conversation_members SET away = 'blocked' WHERE away IS NULL AND EXISTS (
    SELECT 1 FROM conversations c WHERE c.conversation_id = conversation_members.conversation_id
        AND c.status = 'blocked' AND c.blocked_side = conversation_members.role
);

-- Who waits for an answer since when, and how often and how fast those of each role have answered others.
CREATE TABLE response_times (
    conversation_id  TEXT PRIMARY KEY REFERENCES conversations (conversation_id),
    waiting          TEXT NOT NULL,
    waiting_since    BIGINT NOT NULL,
    host_answers     BIGINT NOT NULL DEFAULT 0,
    host_total       BIGINT NOT NULL DEFAULT 0,
    vendor_answers   BIGINT NOT NULL DEFAULT 0,
    vendor_total     BIGINT NOT NULL DEFAULT 0,
    staff_answers    BIGINT NOT NULL DEFAULT 0,
    staff_total      BIGINT NOT NULL DEFAULT 0
);

INSERT INTO response_times (conversation_id, waiting, waiting_since, host_answers, host_total, vendor_answers,
    vendor_total, staff_answers, staff_total)
SELECT turns.conversation_id,
    MAX(CASE WHEN turns.next_at IS NULL THEN turns.role END),
    MAX(CASE WHEN turns.next_at IS NULL THEN turns.said_at END),
    SUM(CASE WHEN turns.role = 'host' AND turns.asked_at IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN turns.role = 'host' AND turns.took > 0 THEN turns.took ELSE 0 END),
    SUM(CASE WHEN turns.role = 'vendor' AND turns.asked_at IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN turns.role = 'vendor' AND turns.took > 0 THEN turns.took ELSE 0 END),
    SUM(CASE WHEN turns.role = 'staff' AND turns.asked_at IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN turns.role = 'staff' AND turns.took > 0 THEN turns.took ELSE 0 END)
FROM (
    SELECT said.conversation_id, said.role, said.created_at AS said_at,
        LAG(said.created_at) OVER (PARTITION BY said.conversation_id ORDER BY said.position) AS asked_at,
        said.created_at
            - LAG(said.created_at) OVER (PARTITION BY said.conversation_id ORDER BY said.position) AS took,
        LEAD(said.created_at) OVER (PARTITION BY said.conversation_id ORDER BY said.position) AS next_at
    FROM (
        SELECT u.conversation_id, u.position, u.created_at, m.role,
            LAG(m.role) OVER (PARTITION BY u.conversation_id ORDER BY u.position) AS before_it
        FROM messages u JOIN conversation_members m
            ON m.conversation_id = u.conversation_id AND m.participant_id = u.sender_id
        WHERE u.deleted_at IS NULL
    ) said WHERE said.before_it IS NULL OR said.before_it <> said.role
) turns GROUP BY turns.conversation_id;
