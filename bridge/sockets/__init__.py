"""WebSockets: what happens in one's conversations, as it happens, and on from where one was."""
