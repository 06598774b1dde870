"""Each fault of a configuration is told by its key, with the fix, and without a value."""

from pathlib import Path

import pytest

from bridge.config import ConfigError, load
from tests.bridge.config.valid import ABSENT, PEOPLE, TOKENS, TOKENS_1, TOKENS_KEY, changed, key, problems


@pytest.mark.parametrize(
    ("place", "value", "problem", "says"),
    [
        ("homeserver/ulr", "x", "homeserver.ulr", "Did you mean `url`?"),
        ("mesages", {}, "mesages", "Did you mean `messages`?"),
        ("homeserver/zzz", 1, "homeserver.zzz", "known here: server_name, url"),
        ("platform/tenants/1/nick", 1, "platform.tenants[1].nick", "unknown key"),
        ("homeserver/url", ABSENT, "homeserver.url", "missing. Add it: where we reach"),
        ("homeserver/url", "matrix.example.org", "homeserver.url", "must be like https://"),
        ("homeserver/url", "http://[::1", "homeserver.url", "must be like https://"),
        ("homeserver/url", "http://x:99999", "homeserver.url", "must be like https://"),
        ("homeserver/url", "ftp://example.org", "homeserver.url", "must be like https://"),
        ("homeserver/url", "https://u:hunter2@example.org", "homeserver.url", "password"),
        ("homeserver/url", "https://example.org/_matrix", "homeserver.url", "path"),
        ("homeserver/url", "https://exa mple.org", "homeserver.url", "spaces"),
        ("homeserver/server_name", "https://example.org", "homeserver.server_name", "leave out `https://`"),
        ("homeserver/server_name", "@anna:example.org", "homeserver.server_name", "localhost:8448"),
        ("appservice/id", "a b", "appservice.id", "letters"),
        ("appservice/listen", "29400", "appservice.listen", "host:port"),
        ("appservice/listen", "127.0.0.1:0", "appservice.listen", "from 1 to 65535"),
        ("appservice/listen", "127.0.0.1:65536", "appservice.listen", "from 1 to 65535"),
        ("appservice/listen", 29400, "appservice.listen", "in quotes"),
        ("appservice/as_token", "hunter2", "appservice.as_token", "shorter than 32"),
        ("appservice/as_token", "x y" * 20, "appservice.as_token", "without spaces"),
        ("appservice/as_token", 10**40, "appservice.as_token", "in quotes"),
        ("appservice/as_token", "CHANGE_ME" * 10, "appservice.as_token", "openssl rand -hex 32"),
        ("appservice/hs_token", "a" * 64, "appservice.hs_token", "same as `as_token`"),
        ("appservice/sender_localpart", ABSENT, "appservice.sender_localpart", "missing"),
        ("appservice/sender_localpart", "festimo_bot", "appservice.sender_localpart", "must not be the bot"),
        ("appservice/sender_localpart", "change-me", "appservice.sender_localpart", "placeholder"),
        ("appservice/bot_localpart", "@Bot:x", "appservice.bot_localpart", "without `@`"),
        ("appservice/ghost_prefix", "", "appservice.ghost_prefix", "a-z"),
        ("database/url", "mysql://x", "database.url", "postgresql://"),
        ("database/url", "sqlite:///", "database.url", "sqlite:///festimo.db"),
        ("bus", {"servers": ["nats://10.0.0.1:4222"]}, "bus.servers", "without TLS"),
        ("bus", {"servers": ["http://127.0.0.1"]}, "bus.servers", "tls://bus.example.org:4222"),
        ("bus", {"servers": ["tls://u:hunter2@[::1"]}, "bus.servers", "tls://bus.example.org:4222"),
        ("bus", {"feed_subject": "festimo.>"}, "bus.feed_subject", "dots between"),
        ("storage/master_key", "CHANGE_ME", "storage.master_key", "openssl rand -base64 32"),
        ("storage/master_key", key("m")[:-4], "storage.master_key", "exactly 32 bytes"),
        ("storage/master_key", "ä" * 43, "storage.master_key", "base64"),
        ("storage/master_key", 5, "storage.master_key", "must be text"),
        ("encryption/pickle_key", key("i"), "encryption.pickle_key", "same as `identity_secret`"),
        ("encryption/pickle_key", key("m"), "encryption", "same key as `storage.master_key`"),
        ("encryption/share_with", "all", "encryption.share_with", "`everyone`"),
        ("messages/max_text_length", 0, "messages.max_text_length", "greater than or equal to 1"),
        ("messages/max_text_length", 20_001, "messages.max_text_length", "less than or equal to 20000"),
        ("messages/max_text_length", "10", "messages.max_text_length", "whole number"),
        ("messages/max_text_length", True, "messages.max_text_length", "whole number"),
        ("platform/tenants", [], "platform.tenants", "at least one"),
        ("platform/tenants", {}, "platform.tenants", "must be a list"),
        ("platform/tenants/1", "other", "platform.tenants[1]", "keys and values"),
        ("platform/tenants/1/id", "a:b", "platform.tenants[1].id", "letters"),
        ("platform/tenants/1/id", "festipin", "platform.tenants[1].id", "platform.tenants[0]"),
        ("platform/tenants/1/webhook_secrets", [], "platform.tenants[1].webhook_secrets", "at least one"),
        (
            "platform/tenants/1/webhook_secrets/0",
            key("3"),
            "platform.tenants[1].webhook_secrets[0]",
            "whsec_",
        ),
        (
            "platform/tenants/1/webhook_secrets/0",
            "whsec_x",
            "platform.tenants[1].webhook_secrets[0]",
            "24-64",
        ),
        ("homeserver", [], "homeserver", "keys and values"),
        ("appservice/listen", "0.0.0.0:29400", "web", "behind_proxy: true"),
        ("appservice/listen", "[::]:29400", "web", "behind_proxy: true"),
        ("appservice/listen", "192.0.2.1:29400", "web", "`appservice.listen` can be reached"),
        ("appservice/listen", "bridge:29400", "web", "behind_proxy: true"),
        ("web/tls_certificate", "cert.pem", "web.tls_key", "TLS needs both"),
        ("web/tls_key", "key.pem", "web.tls_key", "TLS needs both"),
        ("web", {"tls_certificate": "c", "tls_key": "k"}, "web", "Set `appservice.url` to https://"),
        ("web/allowed_ips", ["10.0.0.0/8", "10.0.0.1/8"], "web.allowed_ips[1]", "192.0.2.7"),
        ("web/allowed_ips", ["example.org"], "web.allowed_ips[0]", "192.0.2.7"),
        ("web/allowed_ips", "10.0.0.0/8", "web.allowed_ips", "must be a list"),
        ("web/trusted_proxies", ["*"], "web.trusted_proxies[0]", "2001:db8::/32"),
        ("web/allowed_origins", ["*"], "web.allowed_origins[0]", "no `*`"),
        ("web/allowed_origins", ["null"], "web.allowed_origins[0]", "https://festipin.example"),
        ("web/allowed_origins", ["http://festipin.example"], "web.allowed_origins[0]", "plain http"),
        ("web/allowed_origins", ["https://festipin.example/"], "web.allowed_origins[0]", "without a path"),
        (f"{TOKENS}/issuer", ABSENT, f"{TOKENS_KEY}.issuer", "missing. Add it: who signs them"),
        (f"{TOKENS}/audience", "a b", f"{TOKENS_KEY}.audience", "visible ASCII"),
        (f"{TOKENS}/jwks_url", ABSENT, f"{TOKENS_KEY}.jwks_file", "in one place"),
        (f"{TOKENS}/jwks_file", "jwks.json", f"{TOKENS_KEY}.jwks_file", "in one place"),
        (f"{TOKENS}/jwks_url", "http://id.example.org/jwks", f"{TOKENS_KEY}.jwks_url", "plain http is for"),
        (f"{TOKENS}/jwks_url", "https://u:hunter2@id.example.org/", f"{TOKENS_KEY}.jwks_url", "like https"),
        (f"{TOKENS}/jwks_url", "ftp://id.example.org/jwks", f"{TOKENS_KEY}.jwks_url", "like https"),
        (f"{TOKENS}/jwks_url", "https://id:0/jwks", f"{TOKENS_KEY}.jwks_url", "like https"),
        ("platform/tenants/1/tokens", dict(PEOPLE), TOKENS_1, "platform.tenants[0].tokens"),
    ],
)
def test_a_fault_is_told_by_its_key_with_the_fix(
    path: Path, place: str, value: object, problem: str, says: str
) -> None:
    found = problems(path, changed(place, value))
    assert list(found) == [problem]
    assert says in found[problem]
    assert "hunter2" not in found[problem]


@pytest.mark.parametrize("spelling", ["whsec_" + key("2"), "whsec_" + key("2").rstrip("=")])
def test_two_tenants_never_share_a_secret_however_it_is_spelled(path: Path, spelling: str) -> None:
    config = changed("platform/tenants/1/webhook_secrets/0", spelling)
    (found,) = problems(path, config).items()
    assert found[0] == "platform.tenants[1].webhook_secrets[0]"
    assert "platform.tenants[0].webhook_secrets[1]" in found[1]


def test_every_problem_is_reported_at_once_and_no_value(path: Path) -> None:
    path.write_text(
        """
homeserver: {ulr: hunter2}
appservice: {as_token: hunter2, listen: hunter2}
storage: {master_key: hunter2, master_key: hunter2}
platform:
  tenants:
    - {id: hunter2!, webhook_secrets: [hunter2]}
    - {id: same, webhook_secrets: [whsec_SHARED]}
    - {id: same, webhook_secrets: [whsec_SHARED, 5]}
5: hunter2
""".replace("SHARED", key("k"))
    )
    with pytest.raises(ConfigError) as error:
        load(path)
    assert sorted(problem.key for problem in error.value.problems) == [
        "[5]",
        "appservice.as_token",
        "appservice.hs_token",
        "appservice.listen",
        "appservice.sender_localpart",
        "encryption.identity_secret",
        "encryption.pickle_key",
        "homeserver.server_name",
        "homeserver.ulr",
        "homeserver.url",
        "master_key",
        "platform.tenants[0].id",
        "platform.tenants[0].webhook_secrets[0]",
        "platform.tenants[2].id",
        "platform.tenants[2].webhook_secrets[0]",
        "platform.tenants[2].webhook_secrets[1]",
        "storage.master_key",
    ]
    message = str(error.value)
    assert message.startswith(f"{path} has 17 problems:\n")
    assert "hunter2" not in message
    assert key("k") not in message


@pytest.mark.parametrize(
    "text",
    [
        "",  # nothing
        "# only a comment",
        "homeserver:\nplatform:\n",  # sections whose keys are all commented out
    ],
)
def test_an_empty_file_lists_all_that_is_missing(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert {problem.key for problem in error.value.problems} == {
        "homeserver.url",
        "homeserver.server_name",
        "appservice.as_token",
        "appservice.hs_token",
        "appservice.sender_localpart",
        "storage.master_key",
        "encryption.identity_secret",
        "encryption.pickle_key",
        "platform.tenants",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"a: [hunter2",  # cut off
        b"as_token: *hunter2",  # read as an alias
        b"as_token: !hunter2 x",  # read as a tag
        b"as_token: @hunter2",  # may not begin a value
        b"as_token: hunter2: x",  # a colon too many
        b"\tas_token: hunter2",  # tab
        b"as_token: hunter2\x00",  # control character
        b"as_token: 2027-99-99 hunter2\n? [hunter2]\n: {}",  # a key that is no text
        b"as_token: \xff hunter2",  # not UTF-8
        b"since: 2027-99-99",  # no such day
        b"[" * 5000,  # deeper than any parser
        b"- hunter2",  # a list
        b"hunter2",  # a text
    ],
)
def test_a_file_that_is_no_configuration_is_refused_without_repeating_it(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert "hunter2" not in str(error.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.example\.yaml"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError):
        load(tmp_path)  # a folder
