"""NATS JetStream, where one is configured: events of the platform come in, what happened goes out. The database stays
the truth: what comes is acknowledged once it is on disk, what goes is remembered once the bus has it."""
