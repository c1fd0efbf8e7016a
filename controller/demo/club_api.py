"""What a player or a cashier of the demo can do: the public API through its client, nothing else.

Every command carries an idempotency key of its own and is sent again with the same key until an
answer is known, so a restarted server never makes a player pay twice.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from controller.api.models import Session, Tile
from controller.client import ClubctlClient, ClubctlError, NoAnswerError, ProblemError, open_http

ATTEMPTS_MAX: Final = 60
RETRY_AFTER_S: Final = 0.5
LOST_ANSWER: Final = "no-answer"

open_client = open_http
"""A client for one chain's key. The caller closes it."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One PC of the hall as the API shows it."""

    pc_id: str
    zone_id: str
    link: str
    use: str
    session_id: str | None
    session_status: str | None
    player_id: str | None
    player_label: str | None
    tariff_id: str | None
    coverage_status: str | None

    @property
    def is_free(self) -> bool:
        """Somebody could sit down here now."""
        return self.use == "FREE" and self.session_id is None and self.link == "ONLINE"


@dataclass(frozen=True, slots=True)
class Answer:
    """``code`` is ``ok`` or the problem's stable code; the session is there if there is one."""

    code: str
    session_id: str | None = None

    @property
    def ok(self) -> bool:
        """The command happened."""
        return self.code == "ok"


class ClubApi:
    """The operations the demo uses. ``outcomes`` counts (operation, code) of every command."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._commands = ClubctlClient(http, attempts=ATTEMPTS_MAX, sleep=self._pause)
        self._looks = ClubctlClient(http, attempts=1)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.retries = 0

    async def hall(self, club_id: str) -> tuple[Seat, ...] | None:
        """The club's PCs; None while the API or the store does not answer."""
        try:
            hall = await self._looks.get_hall(club_id)
        except ClubctlError:
            return None
        return tuple(map(_seat, hall.tiles))

    async def balance(self, player_id: str, currency: str) -> int | None:
        """Cash and bonus of a player's wallet in one currency; None when it is not known."""
        try:
            wallet = await self._looks.get_wallet(player_id)
        except ClubctlError:
            return None
        for balance in wallet.balances:
            if balance.cash.currency == currency:
                return balance.cash.amount_minor + balance.bonus.amount_minor
        return 0

    async def top_up(
        self, club_id: str, player_id: str, *, amount_minor: int, bonus_minor: int, key: str
    ) -> Answer:
        """Money over the desk into the wallet."""
        call = self._commands.top_up_wallet(
            club_id, player_id, key=key, amount_minor=amount_minor, bonus_minor=bonus_minor
        )
        return await self._told("topUpWallet", call)

    async def create_session(self, club_id: str, *, key: str, asked: Mapping[str, Any]) -> Answer:
        """A session on a PC, started at once if asked so."""
        call = self._commands.create_session(club_id, key=key, **asked)
        return await self._told("createSession", call)

    async def start(self, session_id: str, *, key: str) -> Answer:
        """The player presses Start."""
        return await self._told("startSession", self._commands.start_session(session_id, key=key))

    async def extend(self, session_id: str, *, key: str, asked: Mapping[str, Any]) -> Answer:
        """Append a tariff to a running session."""
        call = self._commands.extend_session(session_id, key=key, **asked)
        return await self._told("extendSession", call)

    async def switch(self, session_id: str, pc_id: str, *, key: str) -> Answer:
        """Change seats."""
        call = self._commands.switch_session_device(session_id, key=key, pc_id=pc_id)
        return await self._told("switchSessionDevice", call)

    async def end(self, session_id: str, *, key: str) -> Answer:
        """Stop playing."""
        call = self._commands.end_session(session_id, key=key, ended_reason="ManualByPlayer")
        return await self._told("endSession", call)

    async def cancel(self, session_id: str, *, key: str) -> Answer:
        """Take a booking back."""
        return await self._told("cancelSession", self._commands.cancel_session(session_id, key=key))

    async def _told(self, operation: str, call: Awaitable[object]) -> Answer:
        answer = await _answer(call)
        self.outcomes[operation, answer.code] += 1
        return answer

    async def _pause(self, _seconds: float) -> None:
        self.retries += 1
        await asyncio.sleep(RETRY_AFTER_S)


async def _answer(call: Awaitable[object]) -> Answer:
    try:
        told = await call
    except ProblemError as problem:
        return Answer(LOST_ANSWER if problem.is_passing else problem.code)
    except NoAnswerError:
        return Answer(LOST_ANSWER)
    return Answer("ok", told.session_id if isinstance(told, Session) else None)


def _seat(tile: Tile) -> Seat:
    return Seat(
        pc_id=tile.pc_id,
        zone_id=tile.zone_id,
        link=tile.link.value,
        use=tile.use.value,
        session_id=tile.session_id,
        session_status=tile.session_status,
        player_id=tile.player_id,
        player_label=tile.player_label,
        tariff_id=tile.tariff_id,
        coverage_status=tile.coverage_status,
    )
