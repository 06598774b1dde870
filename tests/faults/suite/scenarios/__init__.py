"""Every scenario, in the order in which they are played."""

from tests.faults.suite.scenarios import bridge, clock, database, homeserver, keys, network, transactions
from tests.faults.suite.trial import Scenario

ALL: tuple[Scenario, ...] = (
    *bridge.SCENARIOS,
    *homeserver.SCENARIOS,
    *network.SCENARIOS,
    *transactions.SCENARIOS,
    *database.SCENARIOS,
    *clock.SCENARIOS,
    *keys.SCENARIOS,
)
