"""The homeserver keeps exactly our names for us, and for nobody else's."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from appservice.names import Names
from appservice.registration import registration
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.ids import ConversationId, ParticipantId, TenantId, new_id


def config(*, server_name: str = "example.org", **ours: Any) -> Config:
    raw = fresh_settings(
        server_name=server_name,
        homeserver_url="http://127.0.0.1:8008",
        listen="127.0.0.1:29400",
        database_url="sqlite:///bridge.db",
        tenant="festipin",
    )
    raw["appservice"] |= ours
    return Config.model_validate(raw)


def names(config: Config) -> Names:
    ours = config.appservice
    return Names(config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)


def is_reserved(config: Config, user_id: str) -> bool:
    """As Synapse reads the file: `re.match`, any of the expressions."""
    users = registration(config)["namespaces"]["users"]
    return any(re.match(space["regex"], user_id) for space in users)


CONFIGS = {
    "as it comes": config(),
    "a bot without the ghosts' prefix": config(bot_localpart="festimo", ghost_prefix="_fg_"),
    "a server name with a port": config(server_name="localhost:8448"),
    "dots in the names": config(bot_localpart="the.bot", ghost_prefix="g.h"),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_bot_and_every_ghost_are_reserved(config: Config) -> None:
    assert is_reserved(config, names(config).bot)
    for number in range(50):
        ghost = names(config).ghost(TenantId("festipin"), ParticipantId(f"person {number}"))
        assert is_reserved(config, ghost)
        assert names(config).is_ours(ghost)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize(
    "stranger",
    [
        "@anna:{server}",
        "@x{prefix}abc:{server}",
        "@{bot}x:{server}.evil.org",
        "@{prefix}abc:{server}.evil.org",
        "@{prefix}abc:evil.org",
        "@{bot}:evil.org",
        "@{prefix}abc:{server}:99",
        "@x:{prefix}abc:{server}",
        "{prefix}abc:{server}",
        "#{prefix}abc:{server}",
    ],
)
def test_nobody_elses_name_is_reserved(config: Config, stranger: str) -> None:
    ours = config.appservice
    user_id = stranger.format(
        server=config.homeserver.server_name, prefix=ours.ghost_prefix, bot=ours.bot_localpart
    )
    assert not is_reserved(config, user_id)
    assert not names(config).is_ours(user_id)


def test_a_dot_in_our_names_stands_for_itself() -> None:
    dotted = CONFIGS["dots in the names"]
    assert not is_reserved(dotted, "@gxhabc:example.org")
    assert not is_reserved(dotted, "@thexbot:example.org")
    assert not is_reserved(config(), "@festimo_x:exampleXorg")


@given(rest=st.text("abcxyz0189._=-/+", max_size=12))
def test_whomever_we_take_for_one_of_ours_the_homeserver_reserves(rest: str) -> None:
    """Else a stranger could register a name whose messages we ignore, and to which we give no keys."""
    config = CONFIGS["as it comes"]
    user_id = f"@festimo_{rest}:example.org"
    assert names(config).is_ours(user_id) == is_reserved(config, user_id)


def test_the_alias_of_a_conversation_is_reserved() -> None:
    made = config()
    (aliases,) = registration(made)["namespaces"]["aliases"]
    assert re.match(aliases["regex"], names(made).alias(ConversationId(new_id())))
    assert not re.match(aliases["regex"], "#party:example.org")


def test_all_namespaces_are_ours_alone() -> None:
    spaces = registration(config())["namespaces"]
    assert all(space["exclusive"] for kind in spaces.values() for space in kind)
    assert spaces["rooms"] == []


def test_the_sender_is_random_and_nobody_we_speak_as() -> None:
    """Synapse answers 500 to a /sync of this one user, and the bot needs /sync."""
    senders = {registration(config())["sender_localpart"] for _ in range(10)}
    assert len(senders) == 10
    assert config().appservice.bot_localpart not in senders


def test_what_the_bridge_relies_on_is_asked_for() -> None:
    made = config()
    told = registration(made)
    assert (told["rate_limited"], told["receive_ephemeral"], told["io.element.msc4190"]) == (
        False,
        True,
        True,
    )
    assert told["url"] == "http://127.0.0.1:29400"
    assert told["as_token"] == made.appservice.as_token.get_secret_value()
    assert told["hs_token"] == made.appservice.hs_token.get_secret_value()
    assert told["as_token"] != told["hs_token"]


def test_it_is_plain_yaml() -> None:
    told = registration(config())
    assert yaml.safe_load(yaml.safe_dump(told)) == told
