"""What 10,000 conversations and a backlog of 100,000 items cost: start, memory, CPU per event. `make bench-large`."""
