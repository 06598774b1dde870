"""What a person has not read, as SQL: the one rule of lists, figures and reads.

What stands in threads is read apart from the rest: in a client one reads a thread, or what stands in none.
"""

from bridge.conversations.absences import was_there

READERS = """conversation_members m LEFT JOIN read_positions r
    ON r.conversation_id = m.conversation_id AND r.participant_id = m.participant_id"""
"""Who takes part, as `m`, and how far they have read, as `r`."""
THREAD_OF = "COALESCE(u.thread_id, u.thread_origin)"
"""Of a message `u`: what began the thread in which it stands, by our id, or the outside's where it came from there."""
IS_READ_IN_THREAD = f"""EXISTS (
        SELECT 1 FROM thread_marks k WHERE k.conversation_id = u.conversation_id
            AND k.participant_id = m.participant_id AND k.thread = {THREAD_OF} AND k.position >= u.position)"""
COUNTS = f"""u.conversation_id = m.conversation_id AND u.deleted_at IS NULL
    AND (u.sender_id IS NULL OR u.sender_id <> m.participant_id)
    AND {was_there(conversation="m.conversation_id", person="m.participant_id", position="u.position")}"""
"""Of a message `u`: what the others said while they were there."""
_IS_THERE = """u.status = 'sent' AND NOT EXISTS (
        SELECT 1 FROM hidden_messages h WHERE h.participant_id = m.participant_id AND h.position = u.position)"""
"""Delivered, and not deleted by them for themselves."""
# Who has read nothing yet is looked for from when they came on: that is quicker than to ask it of all before.
_FROM = """u.position > COALESCE(NULLIF({read}, 0), (
        SELECT came.until_position FROM absences came WHERE came.conversation_id = m.conversation_id
            AND came.participant_id = m.participant_id AND came.after_position = 0), 0)"""
_IN_NO_THREAD = f"{_FROM.format(read='r.position')} AND {THREAD_OF} IS NULL AND {_IS_THERE} AND {COUNTS}"
_IN_A_THREAD = f"""{_FROM.format(read="r.in_threads")} AND {THREAD_OF} IS NOT NULL AND {_IS_THERE} AND {COUNTS}
    AND NOT {IS_READ_IN_THREAD}"""

SOMETHING_UNREAD = f"""(EXISTS (SELECT 1 FROM messages u WHERE {_IN_NO_THREAD})
    OR EXISTS (SELECT 1 FROM messages u WHERE {_IN_A_THREAD}))"""


def number_unread(*, more: str = "") -> str:
    """`more`: what else is asked of a message `u`."""
    return f"""((SELECT COUNT(*) FROM messages u WHERE {_IN_NO_THREAD}{more})
    + (SELECT COUNT(*) FROM messages u WHERE {_IN_A_THREAD}{more}))"""
