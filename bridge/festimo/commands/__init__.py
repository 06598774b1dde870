"""All commands of Festimo: one file each. A new one is added to this list and to nothing else."""

from bridge.festimo.commands.quote import QUOTE
from bridge.festimo.commands.status import STATUS
from bridge.festimo.model import Command

COMMANDS: tuple[Command, ...] = (STATUS, QUOTE)
