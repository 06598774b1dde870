"""One device of ours, as it is kept: its account is opened where it is used."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vodozemac import Account, PickleException

from appservice.homeserver import HomeserverUnavailable


class DeviceDamaged(HomeserverUnavailable):
    """The stored account of a device of ours does not open. In doubt, the device is replaced; until then it waits."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"the device of {user_id} is damaged in the database")
        self.user_id = user_id


@dataclass(frozen=True, kw_only=True)
class OwnDevice:
    """A row of the table. Its account is opened where it is used: the bot's costs more than encrypting a message."""

    user_id: str
    device_id: str
    identity_key: str
    published: bool
    doubt: int
    pickle: str = field(repr=False)
    pickle_key: bytes = field(repr=False)

    @cached_property
    def account(self) -> Account:
        """Raise `DeviceDamaged`: at start it was made sure that the pickle key is the right one."""
        try:
            return Account.from_pickle(self.pickle, self.pickle_key)
        except PickleException:
            raise DeviceDamaged(self.user_id) from None

    @property
    def is_usable(self) -> bool:
        """The homeserver has it, as far as anybody knows."""
        return self.published and not self.doubt

    @property
    def is_damaged(self) -> bool:
        try:
            self.account  # noqa: B018 - opening it is the question
        except DeviceDamaged:
            return True
        return False

    @property
    def signing_key(self) -> str:
        return self.account.ed25519_key.to_base64()


def generate_fallback_key(account: Account) -> None:
    _untyped(account).generate_fallback_key()


def unpublished_fallback_key(account: Account) -> dict[str, Any]:
    """Key id -> key: the fallback key that has not been published yet, if there is one."""
    keys: dict[str, Any] = _untyped(account).fallback_key
    return keys


def _untyped(account: Account) -> Any:
    """vodozemac 0.10 has fallback keys, but its type stubs do not say so."""
    return account
