"""Messages that are said later: kept apart from those of the conversation until then, for nobody else to see."""
