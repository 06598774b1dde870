"""What people let each other see: who types, who is there, who has read what. Lost, it costs nobody a message."""
