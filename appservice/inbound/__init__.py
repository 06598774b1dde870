"""From the homeserver's events in the inbox to the conversation."""
