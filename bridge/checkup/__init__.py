"""What `festimo doctor` looks at on this side: the database, the backlog, the bridge's own port. Knows no Matrix."""
