"""Which device an embedded client is: a private file beside its keys, so that the next run is the same."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Session:
    """A device of a user, and its token."""

    user_id: str
    device_id: str
    access_token: str = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The session kept in `folder`, which is made when missing."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "session.json"
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def save(self, folder: Path) -> None:
        """Keep it where `load` finds it, readable by its owner only."""
        path = folder / "session.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
