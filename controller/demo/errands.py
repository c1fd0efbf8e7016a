"""How people of the demo get what they mean to do: which calls, in which order, with what money."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from controller.api.instants import render_instant
from controller.demo.club_api import Answer, ClubApi, Seat
from controller.demo.intentions import Act, Deed, Intention
from controller.demo.plan import ClubPlan, Player

TOP_UP_ROUND_MINOR: Final = 500
BONUS_PERCENT: Final = 10
BONUS_SHARE: Final = 0.3


@dataclass(slots=True)
class Visit:
    """Somebody at a PC. ``since_step`` is the step whose hall may show the session first."""

    club: ClubPlan
    player: Player | None
    pc_id: str
    session_id: str
    acts: list[Act]
    since_step: int
    busy: bool = False

    @property
    def zone_id(self) -> str:
        """The zone of the PC."""
        return self.club.zone_of_pc[self.pc_id]


@dataclass(slots=True)
class Errands:
    """Runs errands through the API, each command with a key of its own."""

    api: ClubApi
    random: Random
    run_id: str = field(default_factory=lambda: secrets.token_hex(6))
    _keys_drawn: int = 0

    async def sit_down(
        self, club: ClubPlan, seat: Seat, *, means: Intention, player: Player | None
    ) -> str | None:
        """Pay and create the session; its id, or None when it did not come to that."""
        if player is not None and not await self._bring(club, player, means.brings_minor):
            return None
        answer = await self.api.create_session(
            club.club_id, key=self._key(), asked=self._session(seat, means, player)
        )
        return answer.session_id

    async def do(self, visit: Visit, deed: Deed, *, free_pcs: Sequence[str]) -> bool:
        """One deed of a visit; whether it happened."""
        match deed:
            case Deed.LEAVE:
                answer = await self._end(visit.session_id)
            case Deed.CANCEL:
                answer = await self.api.cancel(visit.session_id, key=self._key())
            case Deed.START:
                answer = await self.api.start(visit.session_id, key=self._key())
            case Deed.EXTEND:
                answer = await self._extend(visit)
            case Deed.SWITCH if free_pcs:
                answer = await self._switch(visit, self.random.choice(free_pcs))
            case Deed.TOP_UP if visit.player is not None:
                answer = await self._top_up(visit, visit.player)
            case _:
                return False
        return answer.ok

    async def finish(self, session_id: str, *, started: bool) -> bool:
        """End a session, or cancel one that never started; whether it happened."""
        if started:
            return (await self._end(session_id)).ok
        return (await self.api.cancel(session_id, key=self._key())).ok

    async def _bring(self, club: ClubPlan, player: Player, wanted_minor: int) -> bool:
        balance = await self.api.balance(player.player_id, club.currency)
        if balance is None:
            return False
        missing = wanted_minor - balance
        if missing <= 0:
            return True
        generous = self.random.random() < BONUS_SHARE
        rounded = -(-missing // TOP_UP_ROUND_MINOR) * TOP_UP_ROUND_MINOR
        answer = await self.api.top_up(
            club.club_id,
            player.player_id,
            amount_minor=rounded if generous else missing,
            bonus_minor=rounded * BONUS_PERCENT // 100 if generous else 0,
            key=self._key(),
        )
        return answer.ok

    async def _end(self, session_id: str) -> Answer:
        return await self.api.end(session_id, key=self._key())

    async def _extend(self, visit: Visit) -> Answer:
        block = visit.club.shortest_block
        asked: dict[str, Any] = {"tariff_id": block.tariff_id}
        if visit.player is None:
            asked["payment"] = {"amountMinor": block.price_minor(visit.zone_id)}
        return await self.api.extend(visit.session_id, key=self._key(), asked=asked)

    async def _switch(self, visit: Visit, pc_id: str) -> Answer:
        answer = await self.api.switch(visit.session_id, pc_id, key=self._key())
        if answer.ok:
            visit.pc_id = pc_id
        return answer

    async def _top_up(self, visit: Visit, player: Player) -> Answer:
        club = visit.club
        return await self.api.top_up(
            club.club_id,
            player.player_id,
            amount_minor=club.shortest_block.price_minor(visit.zone_id),
            bonus_minor=0,
            key=self._key(),
        )

    def _key(self) -> str:
        self._keys_drawn += 1
        return f"demo-{self.run_id}-{self._keys_drawn}"

    def _session(self, seat: Seat, means: Intention, player: Player | None) -> Mapping[str, Any]:
        asked: dict[str, Any] = {"pc_id": seat.pc_id, "tariff_id": means.tariff_id}
        if player is None:
            asked["guest_label"] = f"Guest {self.random.randrange(100, 1_000)}"
            asked["payment"] = {"amountMinor": means.brings_minor}
        else:
            asked["player_id"] = player.player_id
        if means.planned_start_at_ms is None:
            asked["start"] = True
        else:
            asked["planned_start_at"] = render_instant(means.planned_start_at_ms)
        return asked
