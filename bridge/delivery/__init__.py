"""What came in and what must go out: on disk first, then applied in order, at least once, retried or failed."""
