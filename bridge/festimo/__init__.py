"""Festimo, the bot: greets, and answers commands and mentions from what is known here. Never invents anything."""
