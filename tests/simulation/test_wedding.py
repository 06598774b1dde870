"""A whole wedding, with the bridge killed again and again at random: it ends as it would have without.

`FESTIMO_WEDDINGS=50` has that many; the first is not disturbed.
"""

import os

import pytest

from tests.simulation.judge import no_index_is_used_twice, nothing_leaks, nothing_was_given_up
from tests.simulation.wedding import Church

SEEDS = int(os.environ.get("FESTIMO_WEDDINGS", "6"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_wedding_ends_as_it_must_however_often_the_bridge_is_killed(seed: int) -> None:
    church = Church(seed)
    try:
        church.celebrate(kills=seed > 0)
        nothing_was_given_up(church)
        no_index_is_used_twice(church)
        nothing_leaks(church)
        assert (church.supervisor.lives > 2) == (seed > 0)
    finally:
        church.close()
