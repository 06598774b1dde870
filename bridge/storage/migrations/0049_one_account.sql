-- A Matrix account is one participant's of a tenant.

-- Those who share one could not be told apart: it stays with whom it was known of first, of those who have not asked to
-- be erased, if there are any. A ghost speaks for the others, and the platform may say which account is theirs.
UPDATE participants SET mxid = NULL WHERE mxid IS NOT NULL AND participant_id <> (
    SELECT o.participant_id FROM participants o
    LEFT JOIN erasures e ON e.tenant_id = o.tenant_id AND e.participant_id = o.participant_id
    WHERE o.tenant_id = participants.tenant_id AND o.mxid = participants.mxid
    ORDER BY CASE WHEN e.asked_at IS NULL THEN 0 ELSE 1 END, o.created_at, o.participant_id LIMIT 1);

DROP INDEX participants_of_mxid;
CREATE UNIQUE INDEX participants_of_mxid ON participants (tenant_id, mxid);
