-- When the platform said the newest of what was applied, by what it is about: what it said before that and comes later
-- changes nothing.
CREATE TABLE platform_told (
    tenant_id  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    told_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);

-- What the platform told is listed, too.
CREATE INDEX platform_events_newest ON platform_events (tenant_id, received_at, item_id);
