-- Vendors: their profiles, whether they are there, what hosts think of them, and how fast they answer.

-- A vendor's name, picture and kind are those of the participant. `profile`: JSON, what everybody may know who knows
-- them; `private`: sealed, how to reach them and what the platform notes. `status`: what was said of their being there
-- holds until `status_until`, or until something else is said.
CREATE TABLE vendors (
    tenant_id     TEXT NOT NULL,
    vendor_id     TEXT NOT NULL,
    profile       TEXT NOT NULL DEFAULT '{}',
    private       BYTEA,
    status        TEXT,
    status_until  BIGINT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, vendor_id),
    FOREIGN KEY (tenant_id, vendor_id) REFERENCES participants (tenant_id, participant_id)
);

CREATE INDEX vendors_newest ON vendors (tenant_id, created_at, vendor_id);

INSERT INTO vendors (tenant_id, vendor_id, created_at, updated_at)
SELECT p.tenant_id, p.participant_id, p.created_at, p.updated_at FROM participants p WHERE EXISTS (
    SELECT 1 FROM conversation_members m
    WHERE m.tenant_id = p.tenant_id AND m.participant_id = p.participant_id AND m.role = 'vendor'
);

-- One per host, vendor and party; `key_party` is '*' where they met without one. `review`: sealed.
CREATE TABLE vendor_ratings (
    position    BIGSERIAL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    vendor_id   TEXT NOT NULL,
    host_id     TEXT NOT NULL,
    key_party   TEXT NOT NULL,
    stars       BIGINT NOT NULL,
    review      BYTEA,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (tenant_id, vendor_id, host_id, key_party)
);

CREATE INDEX vendor_ratings_of ON vendor_ratings (tenant_id, vendor_id, position, stars);

-- The messages (by their positions) with which vendors answered, and after how many milliseconds: from the first message
-- of the other side that waited. Only of conversations that have one vendor.
CREATE TABLE vendor_answers (
    position     BIGINT PRIMARY KEY,
    tenant_id    TEXT NOT NULL,
    vendor_id    TEXT NOT NULL,
    answered_at  BIGINT NOT NULL,
    took         BIGINT NOT NULL
);

CREATE INDEX vendor_answers_of ON vendor_answers (tenant_id, vendor_id, answered_at, took);

INSERT INTO vendor_answers (position, tenant_id, vendor_id, answered_at, took)
SELECT runs.position, runs.tenant_id, runs.vendor_id, runs.created_at,
    CASE WHEN runs.created_at > runs.asked_at THEN runs.created_at - runs.asked_at ELSE 0 END
FROM (
    SELECT said.position, said.tenant_id, said.vendor_id, said.sender_type, said.created_at,
        LAG(said.created_at) OVER (PARTITION BY said.conversation_id ORDER BY said.position) AS asked_at
    FROM (
        SELECT m.position, m.tenant_id, m.conversation_id, c.vendor_id, m.sender_type, m.created_at,
            LAG(m.sender_type) OVER (PARTITION BY m.conversation_id ORDER BY m.position) AS side_before
        FROM messages m JOIN conversations c ON c.conversation_id = m.conversation_id
        WHERE c.vendor_id IS NOT NULL AND m.deleted_at IS NULL AND m.sender_type IN ('user', 'vendor')
    ) said
    WHERE said.side_before IS NULL OR said.side_before <> said.sender_type
) runs
WHERE runs.sender_type = 'vendor' AND runs.asked_at IS NOT NULL;
