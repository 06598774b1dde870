"""Real servers, private to one run, for tests and benchmarks."""
