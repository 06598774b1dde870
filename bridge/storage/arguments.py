"""The values of a statement that is put together as it is needed."""

from bridge.storage.database import Value


class Arguments:
    """Each has its place, `$1`, `$2` ...: no value ever stands in a statement itself."""

    def __init__(self, *first: Value) -> None:
        self.values: list[Value] = list(first)

    def place(self, *values: Value) -> str:
        """Where these are found: `$3`, or `$3, $4` of two."""
        first = len(self.values) + 1
        self.values += values
        return ", ".join(f"${number}" for number in range(first, len(self.values) + 1))
