"""A conversation to take away: who said what, and when."""
