-- What a key is good for (null: everything), and which tokens were ended before they expire.

ALTER TABLE api_keys ADD COLUMN scopes TEXT;

-- `kind`: token, session, or subject, of whom it ends all that were issued until then.
CREATE TABLE token_revocations (
    tenant_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    value       TEXT NOT NULL,
    revoked_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value)
);

CREATE INDEX token_revocations_oldest ON token_revocations (revoked_at);
