"""What happened, told to the tenant's own programs: signed, at least once, in order. Never what was said."""
