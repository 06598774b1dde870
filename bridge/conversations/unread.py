"""What a person has not read, as SQL: the one rule of lists, figures and reads."""

READERS = """conversation_members m LEFT JOIN read_positions r
    ON r.conversation_id = m.conversation_id AND r.participant_id = m.participant_id"""
"""Who takes part, as `m`, and how far they have read, as `r`."""
IS_UNREAD = """u.conversation_id = m.conversation_id
    AND u.position > COALESCE(r.position, 0) AND u.created_at >= m.joined_at
    AND u.status = 'sent' AND u.deleted_at IS NULL
    AND (u.sender_id IS NULL OR u.sender_id <> m.participant_id)
    AND NOT EXISTS (
        SELECT 1 FROM hidden_messages h WHERE h.participant_id = m.participant_id AND h.position = u.position)"""
"""Of a message `u`: what the others said since they came, delivered, and not deleted, be it for themselves."""
