"""What a person has not read, as SQL: the one rule of lists, figures and reads."""

from bridge.conversations.absences import was_there

READERS = """conversation_members m LEFT JOIN read_positions r
    ON r.conversation_id = m.conversation_id AND r.participant_id = m.participant_id"""
"""Who takes part, as `m`, and how far they have read, as `r`."""
# Who has read nothing yet is looked for from when they came on: that is quicker than to ask it of all before.
_CAME = """(SELECT came.until_position FROM absences came WHERE came.conversation_id = m.conversation_id
        AND came.participant_id = m.participant_id AND came.after_position = 0)"""
IS_UNREAD = f"""u.conversation_id = m.conversation_id
    AND u.position > COALESCE(r.position, {_CAME}, 0)
    AND u.status = 'sent' AND u.deleted_at IS NULL
    AND (u.sender_id IS NULL OR u.sender_id <> m.participant_id)
    AND NOT EXISTS (
        SELECT 1 FROM hidden_messages h WHERE h.participant_id = m.participant_id AND h.position = u.position)
    AND {was_there(conversation="m.conversation_id", person="m.participant_id", position="u.position")}"""
"""Of a message `u`: what the others said while they were there, delivered, and not deleted, be it for themselves."""
