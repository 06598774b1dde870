"""Conversations between a party and its vendors, and the platform side; never speaks Matrix."""
