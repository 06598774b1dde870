-- Of each field of a person the newest news holds, whichever came first; so when it was told is kept for each.
INSERT INTO platform_told (tenant_id, subject, told_at)
SELECT t.tenant_id, t.subject || '/' || f.name, t.told_at
FROM platform_told t, (
    SELECT 'name' AS name UNION ALL SELECT 'avatar_url' UNION ALL SELECT 'mxid' UNION ALL SELECT 'vendor_type'
    UNION ALL SELECT 'contact_name' UNION ALL SELECT 'email' UNION ALL SELECT 'phone' UNION ALL SELECT 'specialties'
    UNION ALL SELECT 'portfolio' UNION ALL SELECT 'pricing_info' UNION ALL SELECT 'metadata'
) f
WHERE t.subject LIKE 'person/%';

DELETE FROM platform_told WHERE subject LIKE 'person/%' AND subject NOT LIKE 'person/%/%';

-- News of somebody whom nobody knows yet waits parked, not for ever; of who is erased none is kept.
CREATE INDEX inbox_parked_since ON inbox (topic, created_at) WHERE state = 'parked';
CREATE INDEX inbox_waited_in_vain ON inbox (parked_for) WHERE state = 'dead';
