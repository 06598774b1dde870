"""What happened in all conversations, one entry after the other: for whoever reads on from a cursor."""
