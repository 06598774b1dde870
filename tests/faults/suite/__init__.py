"""Faults under load: nothing lost, nothing twice, nothing undecryptable. `make faults`."""
