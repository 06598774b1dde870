"""For the demo and the tests: a private Synapse and an independent encrypted client."""
