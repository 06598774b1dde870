"""Polls: who asks what, who votes for which answers, and what comes out."""
