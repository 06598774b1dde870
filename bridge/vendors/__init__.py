"""Vendors: who they are to the platform, whether they are there, and what hosts think of them."""
