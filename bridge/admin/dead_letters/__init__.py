"""Dead letters: what could not be applied or delivered, to be looked at and replayed. Never shows what they say."""
