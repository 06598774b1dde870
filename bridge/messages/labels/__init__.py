"""What a sender says about a message beside it, for programs and lists: no room shows it."""
