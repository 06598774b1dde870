"""What somebody missed who had nothing to read with: told once, as soon as they have."""
