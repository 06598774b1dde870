-- Leads: what hosts ask vendors for, as the platform tells it. What a lead has come to follows from its conversation;
-- `declared` is what somebody said of it instead. `title` is sealed. `message_id`: what began its thread.
CREATE TABLE leads (
    tenant_id        TEXT NOT NULL,
    lead_id          TEXT NOT NULL,
    conversation_id  TEXT NOT NULL REFERENCES conversations (conversation_id),
    vendor_id        TEXT NOT NULL,
    host_id          TEXT NOT NULL,
    service_type     TEXT,
    title            BYTEA NOT NULL,
    message_id       TEXT NOT NULL,
    declared         TEXT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, lead_id)
);

CREATE INDEX leads_newest ON leads (tenant_id, created_at, lead_id);
CREATE INDEX leads_of ON leads (conversation_id);

-- To which lead of its conversation a message belongs, beyond those of the lead's thread.
ALTER TABLE messages ADD COLUMN lead_id TEXT;
