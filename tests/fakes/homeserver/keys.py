"""Calls about devices and their keys: as strict as the real ones."""

import json
from collections.abc import Mapping
from typing import Any

from tests.fakes.homeserver.ground import Ground, call
from tests.fakes.homeserver.model import OTK, Device, Json, is_signed, public_key, refused


class Keys(Ground):
    @call
    async def create_device(self, user: str, device: str, name: str) -> None:
        self.users[user].devices.setdefault(device, Device()).name = name
        self.log.append(("create_device", user, device))

    @call
    async def upload_cross_signing(self, user: str, device: str, keys: Mapping[str, Any]) -> None:
        self._device(user, device)
        master = keys["master_key"]
        for usage, name in (("master", "master_key"), ("self_signing", "self_signing_key")):
            key = keys[name]
            if key["user_id"] != user or key["usage"] != [usage] or len(key["keys"]) != 1:
                raise refused(400, "M_INVALID_PARAM", name)
        for name in ("self_signing_key", "user_signing_key"):
            if not is_signed(keys[name], user, f"ed25519:{public_key(master)}", public_key(master)):
                raise refused(400, "M_INVALID_SIGNATURE", name)
        account = self.users[user]
        account.master, account.self_signing = master, keys["self_signing_key"]
        account.user_signing = keys["user_signing_key"]
        self.log.append(("upload_cross_signing", user, keys))
        self._changed(user)

    @call
    async def upload_keys(self, user: str, device: str, body: Mapping[str, Any]) -> dict[str, int]:
        body = json.loads(json.dumps(body))
        mine = self._device(user, device)
        keys = body.get("device_keys", mine.keys)
        if keys is None:
            raise refused(400, "M_INVALID_PARAM", "no device keys yet")
        signing_key = keys["keys"][f"ed25519:{device}"]
        if (keys["user_id"], keys["device_id"]) != (user, device):
            raise refused(400, "M_INVALID_PARAM", "not this device's keys")
        if mine.keys is not None and mine.keys["keys"] != keys["keys"]:
            raise refused(400, "M_INVALID_PARAM", "a device never changes its keys")
        one_time, fallback = body.get("one_time_keys", {}), body.get("fallback_keys", {})
        for signed in (keys, *one_time.values(), *fallback.values()):
            if not is_signed(signed, user, f"ed25519:{device}", signing_key):
                raise refused(400, "M_INVALID_SIGNATURE", "not signed by the device")
        self._check_cross_signatures(user, device, keys)
        for key_id, key in one_time.items():
            if not key_id.startswith(f"{OTK}:") or mine.one_time_keys.get(key_id, key) != key:
                raise refused(400, "M_UNKNOWN", f"one-time key {key_id} exists already")
        if any(key.get("fallback") is not True for key in fallback.values()):
            raise refused(400, "M_INVALID_PARAM", "fallback keys say so")
        mine.one_time_keys.update(one_time)
        for entry in fallback.items():
            mine.fallback_key, mine.fallback_used = entry, False
        if "device_keys" in body:
            mine.keys = keys
            self._changed(user)
        self.log.append(("upload_keys", user, body))
        return {OTK: len(mine.one_time_keys)}

    @call
    async def query_keys(self, user: str, device: str | None, users: list[str]) -> Json:
        if device is not None:
            self._device(user, device)
        self.log.append(("query_keys", user, users))
        await self._wait_for(users)
        if self.query_answer is not None:
            return self.query_answer
        answer: Json = {"failures": {server: {} for server in self.down}}
        for other in users:
            if other.partition(":")[2] in self.down or other not in self.users:
                continue
            account = self.users[other]
            devices = {name: found.keys for name, found in account.devices.items() if found.keys is not None}
            answer.setdefault("device_keys", {})[other] = devices
            for section, key in (
                ("master_keys", account.master),
                ("self_signing_keys", account.self_signing),
            ):
                if key is not None:
                    answer.setdefault(section, {})[other] = key
        return answer

    @call
    async def claim_keys(self, user: str, device: str, claims: Mapping[str, Any]) -> Json:
        self._device(user, device)
        self.log.append(("claim_keys", user, claims))
        await self._wait_for(claims)
        if self.claims_in_vain:
            self.claims_in_vain -= 1
            return {"one_time_keys": {}, "failures": {}}
        answer: Json = {}
        failures: Json = {}
        for other, wanted in claims.items():
            server = other.partition(":")[2]
            if server in self.down:
                failures[server] = {}
                continue
            for name, algorithm in wanted.items():
                assert algorithm == OTK
                found = self.users[other].devices.get(name)
                if found is None:
                    continue
                if found.one_time_keys:
                    key_id = next(iter(found.one_time_keys))
                    key = found.one_time_keys.pop(key_id)
                    self.claimed.append((other, name, key_id))
                elif found.fallback_key is not None:
                    key_id, key = found.fallback_key
                    found.fallback_used = True
                else:
                    continue
                answer.setdefault(other, {})[name] = {key_id: key}
        return {"one_time_keys": answer, "failures": failures}

    @call
    async def send_to_device(
        self, user: str, device: str, event_type: str, txn_id: str, messages: Mapping[str, Any]
    ) -> None:
        self._published(user, device)
        request = ("to_device", user, device, event_type, txn_id)
        if request in self._answered:
            return
        self._answered[request] = ""
        self.log.append(("send_to_device", user, (event_type, messages)))
        for other, contents in messages.items():
            for name, content in contents.items():
                if name in self.users[other].devices:
                    self.put_to_device(user, other, name, event_type, json.loads(json.dumps(content)))

    @call
    async def sync(
        self,
        user: str,
        device: str | None,
        *,
        since: str | None,
        filter_: Mapping[str, Any],
        wait: int = 0,
    ) -> Json:
        """Only what came after `since` is kept; everything else is said again however often it is asked."""
        assert device is not None, "only a device has an inbox"
        mine, position = self._device(user, device), int(since or 0)
        mine.inbox = [(at, event) for at, event in mine.inbox if at > position]
        changed = (
            {who for at, who, told in self._changes if at > position and user in told} if since else set()
        )
        unused = [OTK] if mine.fallback_key is not None and not mine.fallback_used else []
        return {
            "next_batch": str(self._stream),
            "to_device": {"events": [event for _, event in mine.inbox]},
            "device_lists": {"changed": sorted(changed), "left": []},
            "device_one_time_keys_count": {OTK: len(mine.one_time_keys)},
            "device_unused_fallback_key_types": unused,
        }

    def _check_cross_signatures(self, user: str, device: str, keys: Json) -> None:
        identity = self.users[user].self_signing
        for key_id in keys["signatures"][user]:
            if key_id == f"ed25519:{device}":
                continue
            known = None if identity is None else public_key(identity)
            if known is None or key_id != f"ed25519:{known}":
                raise refused(400, "M_INVALID_SIGNATURE", "signed by nobody we know")
            if not is_signed(keys, user, key_id, known):
                raise refused(400, "M_INVALID_SIGNATURE", "the cross-signature is wrong")
