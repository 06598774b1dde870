"""Shared words without behaviour: ids, the clock, refusals, events."""
