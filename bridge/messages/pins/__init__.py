"""Which messages of a conversation are pinned, and in which order."""
