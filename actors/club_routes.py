"""Which of a host's shards a club's topics belong to.

Topics name a club and no chain, so a club id that two chains use would mix their PCs up. The
store refuses the second at seeding; what slipped past is refused here, loudly, and the first
goes on undisturbed.
"""

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

import structlog

from actors.store import ShardId
from actors.telemetry import Telemetry

log = structlog.get_logger(__name__)

CONFLICT: Final = "club_id_of_two_chains"
_Owner = TypeVar("_Owner")


class ClubRoutes(Generic[_Owner]):
    """Club id -> the shard that hears and speaks for it, and that shard's ``_Owner`` here."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        opened: Callable[[str], None],
        closed: Callable[[str], None],
    ) -> None:
        self._telemetry = telemetry
        self._opened = opened
        self._closed = closed
        self._routes: dict[str, tuple[ShardId, _Owner]] = {}
        self._refused: set[tuple[ShardId, str]] = set()

    def owner(self, club_id: str) -> _Owner | None:
        """Who hears the PCs of a club."""
        route = self._routes.get(club_id)
        return None if route is None else route[1]

    def may_speak(self, shard: ShardId, club_id: str) -> bool:
        """Whether what this shard says to a club's PCs may go out."""
        return (shard, club_id) not in self._refused

    def change(self, shard: ShardId, owner: _Owner, club_ids: Iterable[str]) -> None:
        """These are the clubs of a shard now; a shard that has lost its loop has none."""
        wanted = frozenset(club_ids)
        before = {club for club, (holder, _) in self._routes.items() if holder == shard}
        for club_id in sorted(before - wanted):
            del self._routes[club_id]
            self._closed(club_id)
        refused = {club for holder, club in self._refused if holder == shard}
        for club_id in refused - wanted:
            self._refused.discard((shard, club_id))
        for club_id in before & wanted:
            self._routes[club_id] = (shard, owner)
        for club_id in sorted(wanted - before - refused):
            self._claim(shard, owner, club_id)

    def _claim(self, shard: ShardId, owner: _Owner, club_id: str) -> None:
        holder = self._routes.get(club_id)
        if holder is None:
            self._routes[club_id] = (shard, owner)
            self._opened(club_id)
            return
        self._refused.add((shard, club_id))
        self._telemetry.clubs_refused.inc()
        log.error(CONFLICT, club_id=club_id, refused=str(shard), served=str(holder[0]))
