"""Messages that somebody has deleted for themselves: the others see them unchanged, and no room hears of it."""
