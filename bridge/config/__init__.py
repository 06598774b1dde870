"""The operator's settings: read once at start, checked as a whole, never changed while running."""

from bridge.config.appservice import Appservice
from bridge.config.bus import Bus
from bridge.config.conversation import Conversation
from bridge.config.database import Database
from bridge.config.encryption import Encryption, ShareWith
from bridge.config.feed import Feed
from bridge.config.homeserver import Homeserver
from bridge.config.load import Config, load
from bridge.config.messages import Messages
from bridge.config.platform import Platform, Tenant
from bridge.config.problems import ConfigError, ConfigProblem
from bridge.config.quotes import Quotes
from bridge.config.rate_limits import RateLimits
from bridge.config.search import Search
from bridge.config.storage import Storage
from bridge.config.tokens import Tokens
from bridge.config.web import Web
from bridge.config.webhooks import Webhooks

__all__ = [
    "Appservice",
    "Bus",
    "Config",
    "ConfigError",
    "ConfigProblem",
    "Conversation",
    "Database",
    "Encryption",
    "Feed",
    "Homeserver",
    "Messages",
    "Platform",
    "Quotes",
    "RateLimits",
    "Search",
    "ShareWith",
    "Storage",
    "Tenant",
    "Tokens",
    "Web",
    "Webhooks",
    "load",
]
