"""What the platform's staff and the operator do."""
