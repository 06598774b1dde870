"""Figures of a conversation: how much was said, when, by whom, and how fast it was answered."""
