"""The configuration of the private Synapse: plain data, and the files it is written to. Starts nothing."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

LOOPBACK = "127.0.0.1"

# Rate limits protect a server from strangers; this one is reached by its own machine only.
_UNLIMITED: dict[str, Any] = {"per_second": 10_000, "burst_count": 100_000}
_RATE_LIMITS: dict[str, Any] = {
    "rc_message": _UNLIMITED,
    "rc_registration": _UNLIMITED,
    "rc_admin_redaction": _UNLIMITED,
    "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
    "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
    "rc_joins_per_room": _UNLIMITED,
    "rc_key_requests": _UNLIMITED,
    "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
    "rc_media_create": _UNLIMITED,
    "rc_presence": {"per_user": _UNLIMITED},
    "rc_delayed_event_mgmt": _UNLIMITED,
    "rc_room_creation": _UNLIMITED,
    "rc_user_directory": _UNLIMITED,
    "rc_profile": _UNLIMITED,
}


def homeserver_settings(
    folder: Path,
    *,
    server_name: str,
    port: int,
    registration_secret: str,
    registrations: Sequence[Path] = (),
    database_url: str | None = None,
) -> dict[str, Any]:
    """Everything Synapse has to be told to run alone, on loopback, with all its data inside `folder`."""
    return {
        "server_name": server_name,
        "public_baseurl": f"http://{LOOPBACK}:{port}/",
        "listeners": [
            {
                "type": "http",
                "port": port,
                "bind_addresses": [LOOPBACK],
                "resources": [{"names": ["client", "media"], "compress": False}],
            }
        ],
        "pid_file": str(folder / "synapse.pid"),
        "log_config": str(folder / "log.yaml"),
        "no_redirect_stdio": True,
        "database": _database(folder, database_url),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "app_service_config_files": [str(path) for path in registrations],
        "registration_shared_secret": registration_secret,
        "macaroon_secret_key": secrets.token_urlsafe(32),
        "form_secret": secrets.token_urlsafe(32),
        "enable_registration": False,
        "bcrypt_rounds": 4,
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "ip_range_blacklist": [],
        "federation_ip_range_blacklist": [],
        "url_preview_enabled": False,
        "presence": {"enabled": True},
        **_RATE_LIMITS,
    }


def log_settings(level: str) -> dict[str, Any]:
    """Everything to stderr, which the starter keeps in one file with what Python prints on a crash."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level, "handlers": ["stderr"]},
    }


def write_private(path: Path, settings: Mapping[str, Any]) -> Path:
    """Write YAML that only its owner can read: homeserver.yaml and registrations carry secrets."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(dict(settings), sort_keys=False), encoding="utf-8")
    return path


def ensure_signing_key(path: Path) -> None:
    """The server's ed25519 key in the format of `signedjson`: made once, so that the server stays itself."""
    if path.exists():
        return
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    path.touch(mode=0o600)
    path.write_text(f"ed25519 a_{secrets.token_hex(3)} {seed}\n", encoding="ascii")


def _database(folder: Path, url: str | None) -> dict[str, Any]:
    if url is None:
        return {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}}
    return {
        "name": "psycopg2",
        "args": {"dsn": url, "cp_min": 1, "cp_max": 5},
        "allow_unsafe_locale": True,  # a private server's collation may be any
    }
