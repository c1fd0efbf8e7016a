"""A club's topics belong to one shard; a second chain under the same club id is refused."""

from dataclasses import dataclass, field

from actors.club_routes import ClubRoutes
from actors.store import ShardId
from actors.telemetry import Telemetry

FIRST, SECOND = ShardId("orbit", 1), ShardId("other", 2)


@dataclass
class Routing:
    """Routes, and the subscriptions they lead to."""

    telemetry: Telemetry = field(default_factory=Telemetry)
    subscribed: set[str] = field(default_factory=set)
    routes: ClubRoutes[str] = field(init=False)

    def __post_init__(self) -> None:
        self.routes = ClubRoutes(
            self.telemetry, opened=self.subscribed.add, closed=self.subscribed.remove
        )

    @property
    def refused(self) -> float | None:
        return self.telemetry.registry.get_sample_value("clubctl_clubs_refused_total")


def test_the_second_chain_under_a_club_id_is_neither_heard_nor_heeded() -> None:
    routing = Routing()
    routing.routes.change(FIRST, "a", ["north"])
    routing.routes.change(SECOND, "b", ["north", "west"])
    assert routing.routes.owner("north") == "a"
    assert routing.routes.owner("west") == "b"
    assert not routing.routes.may_speak(SECOND, "north")
    assert routing.routes.may_speak(SECOND, "west")
    assert routing.routes.may_speak(FIRST, "north")
    assert routing.refused == 1


def test_the_refused_stays_refused_until_its_shard_is_taken_again() -> None:
    routing = Routing()
    routing.routes.change(FIRST, "a", ["north"])
    routing.routes.change(SECOND, "b", ["north"])
    routing.routes.change(FIRST, "a", [])
    routing.routes.change(SECOND, "b", ["north"])
    assert routing.routes.owner("north") is None
    assert not routing.routes.may_speak(SECOND, "north")
    assert routing.subscribed == set()
    routing.routes.change(SECOND, "b", [])
    routing.routes.change(SECOND, "c", ["north"])
    assert routing.routes.owner("north") == "c"
    assert routing.routes.may_speak(SECOND, "north")
    assert routing.refused == 1


def test_a_shard_taken_again_is_heard_by_its_new_loop() -> None:
    routing = Routing()
    routing.routes.change(FIRST, "a", ["north", "south"])
    routing.routes.change(FIRST, "b", ["north"])
    assert routing.routes.owner("north") == "b"
    assert routing.routes.owner("south") is None
    assert routing.subscribed == {"north"}
