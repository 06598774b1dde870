-- Who asked to be erased, since when: nothing is done in their name, or told to them, from then on. What there is of them
-- is erased later: `completed_at`.
CREATE TABLE erasures (
    tenant_id       TEXT NOT NULL,
    participant_id  TEXT NOT NULL,
    asked_at        BIGINT NOT NULL,
    completed_at    BIGINT,
    PRIMARY KEY (tenant_id, participant_id)
);
