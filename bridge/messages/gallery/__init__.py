"""All files of a conversation."""
