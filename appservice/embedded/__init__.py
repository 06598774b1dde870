"""A private Synapse and an independent encrypted client, for the demo and the tests; the bridge needs neither."""
