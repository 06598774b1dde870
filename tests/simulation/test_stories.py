"""Whatever happens, in whatever order: all that was accepted arrives once, and only who may reads it.

`FESTIMO_FUZZ=100` makes a hundred times as many stories, other ones each time.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from appservice.encryption.sync import LONGEST_PAUSE
from tests.examples import LONGER, examples
from tests.simulation.faults import Plan
from tests.simulation.judge import judge
from tests.simulation.people import Person
from tests.simulation.world import VENDORS, World

A_WHILE = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.3, 2.0, 40.0])
"""Seconds between one thing that happens and the next."""
WHO = st.integers(0, 2)
HOUR = 3_600_000


class Stories(RuleBasedStateMachine):
    world: World | None = None

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(seed)

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world

    # The platform, and people

    @rule(vendor=st.sampled_from(VENDORS), by_vendor=st.booleans(), count=st.integers(1, 3), wait=A_WHILE)
    def the_platform_posts(self, vendor: str, by_vendor: bool, count: int, wait: float) -> None:
        for _ in range(count):
            self.here.post(vendor, by_vendor=by_vendor)
        self.here.pass_time(wait)

    @rule(
        who=WHO,
        room=WHO,
        which=WHO,
        command=st.booleans(),
        new_session=st.booleans(),
        key_later=st.sampled_from([0.0, 0.0, 0.02, 5.0]),
        wait=A_WHILE,
    )
    def somebody_says_something(
        self, who: int, room: int, which: int, command: bool, new_session: bool, key_later: float, wait: float
    ) -> None:
        person = self.here.people[who]
        rooms = self.here.rooms_of(person, "join")
        if rooms and person.phones:
            self.here.say(
                person,
                rooms[room % len(rooms)],
                command=command,
                which=which,
                new_session=new_session,
                key_later=key_later,
            )
        self.here.pass_time(wait)

    @rule(who=WHO, room=WHO, wait=A_WHILE)
    def somebody_joins(self, who: int, room: int, wait: float) -> None:
        person = self.here.people[who]
        rooms = self.here.rooms_of(person, "invite")
        if rooms:
            self.here.do(self.here.homeserver.join(person.user, rooms[room % len(rooms)]))
        self.here.pass_time(wait)

    @rule(who=WHO, room=WHO, wait=A_WHILE)
    def somebody_leaves(self, who: int, room: int, wait: float) -> None:
        person = self.here.people[who]
        rooms = self.here.rooms_of(person, "join", "invite")
        if rooms:
            self.here.leave(person, rooms[room % len(rooms)])
        self.here.pass_time(wait)

    @rule(vendor=st.sampled_from(VENDORS), wait=A_WHILE)
    def the_platform_brings_everybody_back(self, vendor: str, wait: float) -> None:
        self.here.bring_back(vendor)
        self.here.pass_time(wait)

    @rule(who=WHO, signed=st.booleans(), wait=A_WHILE)
    def somebody_has_a_new_device(self, who: int, signed: bool, wait: float) -> None:
        self.here.do(self.here.people[who].new_phone(signed=signed))
        self.here.pass_time(wait)

    @rule(who=WHO, which=WHO, wait=A_WHILE)
    def somebody_removes_a_device(self, who: int, which: int, wait: float) -> None:
        person = self.here.people[who]
        if len(person.phones) > 1 and self.here.all_is_read:
            self.here.do(person.drop_phone(which % len(person.phones)))
        self.here.pass_time(wait)

    @rule(who=WHO)
    def somebody_looks(self, who: int) -> None:
        person: Person = self.here.people[who]
        self.here.do(person.look())

    # What goes wrong

    @rule(down_for=st.sampled_from([0.01, 1.0, 60.0, 3_600.0]), wait=A_WHILE)
    def the_bridge_is_killed(self, down_for: float, wait: float) -> None:
        self.here.supervisor.kill(down_for=down_for)
        self.here.pass_time(wait)

    @rule(
        place=st.sampled_from(["commit", "call"]),
        moment=st.sampled_from(["before", "after"]),
        what=st.sampled_from(["dies", "fails"]),
        countdown=st.integers(1, 12),
    )
    def something_will_go_wrong(self, **plan: object) -> None:
        self.here.faults.plans.append(Plan(**plan))  # type: ignore[arg-type] # as drawn above

    @rule(
        name=st.sampled_from(
            ["send_encrypted", "send_to_device", "claim_keys", "query_keys", "members", "sync"]
        ),
        moment=st.sampled_from(["before", "after"]),
        what=st.sampled_from(["dies", "fails"]),
        times=st.integers(1, 3),
    )
    def such_a_call_will_go_wrong(self, name: str, times: int, **plan: object) -> None:
        for _ in range(times):
            self.here.faults.plans.append(
                Plan(place="call", name=name, countdown=1, **plan)  # type: ignore[arg-type] # as drawn above
            )

    @rule(seconds=st.sampled_from([0.5, 5.0, 90.0]), wait=A_WHILE)
    def the_database_is_away(self, seconds: float, wait: float) -> None:
        self.here.faults.database_down = True
        self.here.pass_time(seconds)
        self.here.faults.database_down = False
        self.here.pass_time(wait)

    @rule(seconds=st.sampled_from([0.5, 5.0, 90.0]), wait=A_WHILE)
    def the_homeserver_is_away(self, seconds: float, wait: float) -> None:
        self.here.faults.homeserver_down = self.here.deliveries.down = True
        self.here.pass_time(seconds)
        self.here.faults.homeserver_down = self.here.deliveries.down = False
        self.here.pass_time(wait)

    @rule(lasts=st.booleans())
    def the_database_goes_away_or_comes_back(self, lasts: bool) -> None:
        self.here.faults.database_down = lasts

    @rule()
    def the_homeserver_restarts_and_loses_what_it_was_to_deliver(self) -> None:
        self.here.deliveries.lose()

    @rule(which=st.integers(0, 50), same_id=st.booleans(), wait=A_WHILE)
    def a_transaction_comes_again(self, which: int, same_id: bool, wait: float) -> None:
        if self.here.deliveries.accepted:
            self.here.do(self.here.deliveries.repeat(which, same_id=same_id))
        self.here.pass_time(wait)

    @rule(later=st.booleans())
    def transactions_come_in_another_order(self, later: bool) -> None:
        if later:
            self.here.deliveries.hold()
        else:
            self.here.deliveries.release()

    @rule(hours=st.sampled_from([1, 23, 30, 24 * 8]))
    def time_jumps(self, hours: int) -> None:
        self.here.clock.jump(hours * HOUR)

    # The end

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self.world.settle()
            for vendor in VENDORS:
                self.world.post(vendor, by_vendor=True)
            self.world.settle()
            judge(self.world)
        finally:
            self.world.close()


@pytest.mark.slow
@pytest.mark.timeout(180 * examples(1))
def test_whatever_happens_all_that_was_accepted_arrives_once_and_only_who_may_reads_it() -> None:
    run_state_machine_as_test(
        Stories,
        settings=settings(
            max_examples=examples(40),
            stateful_step_count=30,
            derandomize=not LONGER,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_a_device_that_comes_while_a_message_is_in_flight_reads_it() -> None:
    """A story that is too seldom told by chance."""
    world = World(1)
    try:
        world.faults.plans += [Plan("call", "before", "fails", 1, "send_encrypted") for _ in range(8)]
        world.post("balloons", by_vendor=True)
        world.pass_time(0.5)
        world.do(world.people[0].new_phone(signed=True))
        world.pass_time(LONGEST_PAUSE + 1)  # for the bridge to be told of it
        world.settle()
        room_id, _ = world.conversation("balloons")
        assert world.people[0].phones[-1].reads(world.homeserver.landed[room_id][-1].event)
        judge(world)
    finally:
        world.close()
