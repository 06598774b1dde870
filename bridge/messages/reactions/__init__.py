"""How people react to messages: one reaction per message, person and emoji."""
