"""What becomes of what we know of people: so far, that nothing is done any more with who asked to be erased."""
