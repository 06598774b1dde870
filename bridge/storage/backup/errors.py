"""Why a backup is not made, or not restored."""

from typing import ClassVar

from bridge.core.errors import Refusal


class FileExists(Refusal):
    code: ClassVar[str] = "file_exists"


class CannotWrite(Refusal):
    code: ClassVar[str] = "cannot_write"


class NothingToBackUp(Refusal):
    code: ClassVar[str] = "nothing_to_back_up"


class Damaged(Refusal):
    code: ClassVar[str] = "backup_damaged"


class OtherSecrets(Refusal):
    code: ClassVar[str] = "other_secrets"


class FromNewerRelease(Refusal):
    code: ClassVar[str] = "from_newer_release"


class NotEmpty(Refusal):
    code: ClassVar[str] = "not_empty"


class BridgeRuns(Refusal):
    code: ClassVar[str] = "bridge_runs"
