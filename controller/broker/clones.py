"""Shuts out PCs that are two machines: a copied disk brings its credentials along.

Hosts notice that two boots take turns under one name and say so in an event. Neither machine is
let in any more until staff enrol one of them anew.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson
import structlog

from actors.auditing import BY_ITSELF
from actors.pc_actor import CLONED
from actors.store import ChainStream, ReadModels, StreamEntry
from controller.enrolment.office import EnrolmentOffice, EnrolmentStore, Place
from schemas.events import ClubEventKind

EVENTS_PER_LOOK: Final = 1_000
BY: Final = "clone-guard"

log = structlog.get_logger(__name__)


class GuardedStore(EnrolmentStore, ReadModels, Protocol):
    """Where events are read and books are written."""


@dataclass(slots=True)
class CloneGuard:
    """Reads each chain's events behind a cursor of its own, from the oldest still kept."""

    store: GuardedStore
    office: EnrolmentOffice
    _cursors: dict[str, str] = field(default_factory=dict)

    async def look(self) -> int:
        """Take what has happened since the last look; how many PCs were shut out for it."""
        shut = 0
        for chain_id in await self.store.chains():
            while events := await self._events(chain_id):
                for entry in events:
                    shut += await self._taken(chain_id, entry.payload)
                self._cursors[chain_id] = events[-1].entry_id
        return shut

    async def _events(self, chain_id: str) -> tuple[StreamEntry, ...]:
        after = self._cursors.get(chain_id, "0-0")
        return await self.store.stream(
            chain_id, ChainStream.OUTBOX, after=after, count=EVENTS_PER_LOOK
        )

    async def _taken(self, chain_id: str, payload: bytes) -> bool:
        entry = orjson.loads(payload)
        event = entry.get("event", {})
        reasons = str(event.get("payload", {}).get("reasons", "")).split(",")
        if event.get("kind") != ClubEventKind.PC_DEGRADED or CLONED not in reasons:
            return False
        pc_id, place = event["pc_id"], Place(chain_id, entry["club_id"], BY, channel=BY_ITSELF)
        credential = (await self.office.book(place)).credentials.get(pc_id)
        # An event from before it was enrolled speaks of machines that are shut out already.
        if credential is None or not credential.is_active:
            return False
        if event["at_ms"] <= credential.enrolled_at_ms:
            return False
        await self.office.quarantine(place, pc_id)
        log.error("pc_cloned", club_id=place.club_id, pc_id=pc_id)
        return True
