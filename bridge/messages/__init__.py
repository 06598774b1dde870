"""What people, Festimo and the platform say in a conversation."""
