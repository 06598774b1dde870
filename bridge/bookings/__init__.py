"""What the platform says about bookings, kept as a read model and told in the conversation."""
