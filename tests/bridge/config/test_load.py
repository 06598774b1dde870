"""What a configuration comes to."""

from pathlib import Path

import pytest

from tests.bridge.config.valid import (
    TOKENS,
    VALID,
    changed,
    key,
    loaded,
)


def test_what_is_left_out_has_its_default(path: Path) -> None:
    config = loaded(path, VALID)
    assert config.homeserver.url == "https://matrix.example.org"
    assert config.appservice.id == "festimo"
    assert (config.appservice.listen_host, config.appservice.listen_port) == ("127.0.0.1", 29400)
    assert config.appservice.url == "http://127.0.0.1:29400"
    assert (config.appservice.bot_localpart, config.appservice.ghost_prefix) == ("festimo_bot", "festimo_")
    assert config.database.url.get_secret_value() == "sqlite:///festimo.db"
    assert config.storage.master_key.get_secret_value() == b"m" * 32
    assert config.encryption.share_with == "identity_aware"
    assert config.messages.max_text_length == 10_000
    assert [tenant.id for tenant in config.platform.tenants] == ["festipin", "other"]


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:1", "http://127.0.0.1:1"),
        ("bridge:29400", "http://bridge:29400"),
        ("[::1]:29400", "http://[::1]:29400"),
        ("0.0.0.0:29400", "http://127.0.0.1:29400"),  # everywhere is no place to be reached at
        ("[::]:29400", "http://[::1]:29400"),
    ],
)
def test_the_homeserver_reaches_us_where_we_listen(path: Path, listen: str, url: str) -> None:
    config = changed("appservice/listen", listen) | {"web": {"behind_proxy": True}}
    assert loaded(path, config).appservice.url == url


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"])
def test_on_this_machine_nobody_listens_in(path: Path, listen: str) -> None:
    config = loaded(path, changed("appservice/listen", listen))
    assert (config.web.behind_proxy, config.web.tls_certificate) == (False, None)


def test_tls_can_be_ended_here(path: Path) -> None:
    config = changed("appservice/listen", "0.0.0.0:29400")
    config["appservice"]["url"] = "https://bridge.example.org:29400"
    config["web"] = {"tls_certificate": "cert.pem", "tls_key": "key.pem"}
    assert loaded(path, config).web.tls_key == "key.pem"


def test_nothing_is_open_that_was_not_opened(path: Path) -> None:
    web = loaded(path, VALID).web
    assert (web.allowed_origins, web.trusted_proxies, web.allowed_ips) == ((), (), ())


def test_tokens_have_their_usual_claims(path: Path) -> None:
    one, other = loaded(path, VALID).platform.tenants
    assert one.tokens is not None
    assert (one.tokens.role_claim, one.tokens.participant_claim) == ("role", "sub")
    assert other.tokens is None
    local = changed(f"{TOKENS}/jwks_url", "http://127.0.0.1:8080/jwks")
    assert loaded(path, local).platform.tenants[0].tokens is not None


def test_nothing_can_be_changed_afterwards(path: Path) -> None:
    config = loaded(path, VALID)
    with pytest.raises(ValueError, match="frozen"):
        config.messages.max_text_length = 5


def test_no_secret_shows(path: Path) -> None:
    config = loaded(path, changed("database/url", "postgresql://festimo:hunter2@db/festimo"))
    shown = repr(config) + str(config) + config.model_dump_json()
    for secret in ("a" * 64, "h" * 64, key("m"), key("i"), key("p"), key("1"), "mmmm", "hunter2"):
        assert secret not in shown
