"""Messages found by their words, in an index that tells nobody which words these are."""
