"""Every scenario, in the order in which they are played."""

from tests.faults.suite.scenarios import bridge, homeserver
from tests.faults.suite.trial import Scenario

ALL: tuple[Scenario, ...] = (*bridge.SCENARIOS, *homeserver.SCENARIOS)
