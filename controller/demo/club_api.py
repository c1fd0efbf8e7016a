"""What a player or a cashier of the demo can do: the public API over HTTP, nothing else.

Every command carries an idempotency key of its own and is sent again with the same key until an
answer is known, so a restarted server never makes a player pay twice.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

ATTEMPTS_MAX: Final = 60
RETRY_AFTER_S: Final = 0.5
REQUEST_TIMEOUT_S: Final = 15.0
RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})
LOST_ANSWER: Final = "no-answer"


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
    """``code`` is ``ok`` or the problem's stable code; ``body`` the answer's JSON."""

    code: str
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """The command happened."""
        return self.code == "ok"


class ClubApi:
    """The operations the demo uses. ``outcomes`` counts (operation, code) of every command."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.retries = 0

    async def hall(self, club_id: str) -> tuple[Seat, ...] | None:
        """The club's PCs; None while the API or the store does not answer."""
        try:
            response = await self._client.get(f"/clubs/{club_id}/hall")
        except httpx.TransportError:
            return None
        if response.status_code != httpx.codes.OK:
            return None
        return tuple(_seat(tile) for tile in response.json()["tiles"])

    async def balance(self, player_id: str, currency: str) -> int | None:
        """Cash and bonus of a player's wallet in one currency; None when it is not known."""
        try:
            response = await self._client.get(f"/players/{player_id}/wallet")
        except httpx.TransportError:
            return None
        if response.status_code != httpx.codes.OK:
            return None
        for balance in response.json()["balances"]:
            if balance["cash"]["currency"] == currency:
                return int(balance["cash"]["amountMinor"]) + int(balance["bonus"]["amountMinor"])
        return 0

    async def top_up(
        self, club_id: str, player_id: str, *, amount_minor: int, bonus_minor: int, key: str
    ) -> Answer:
        """Money over the desk into the wallet."""
        return await self._command(
            "topUpWallet",
            f"/clubs/{club_id}/players/{player_id}/wallet/top-ups",
            key=key,
            body={"amountMinor": amount_minor, "bonusMinor": bonus_minor},
        )

    async def create_session(self, club_id: str, *, key: str, body: Mapping[str, Any]) -> Answer:
        """A session on a PC, started at once if the body says so."""
        return await self._command(
            "createSession", f"/clubs/{club_id}/sessions", key=key, body=body
        )

    async def start(self, session_id: str, *, key: str) -> Answer:
        """The player presses Start."""
        return await self._command("startSession", f"/sessions/{session_id}/start", key=key)

    async def extend(self, session_id: str, *, key: str, body: Mapping[str, Any]) -> Answer:
        """Append a tariff to a running session."""
        return await self._command(
            "extendSession", f"/sessions/{session_id}/extend", key=key, body=body
        )

    async def switch(self, session_id: str, pc_id: str, *, key: str) -> Answer:
        """Change seats."""
        return await self._command(
            "switchSessionDevice",
            f"/sessions/{session_id}/switch-device",
            key=key,
            body={"pcId": pc_id},
        )

    async def end(self, session_id: str, *, reason: str, key: str) -> Answer:
        """Stop playing."""
        return await self._command(
            "endSession",
            f"/sessions/{session_id}/end",
            key=key,
            body={"endedReason": reason},
        )

    async def cancel(self, session_id: str, *, key: str) -> Answer:
        """Take a booking back."""
        return await self._command("cancelSession", f"/sessions/{session_id}/cancel", key=key)

    async def _command(
        self, operation: str, path: str, *, key: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        answer = await self._until_answered(path, key, body)
        self.outcomes[operation, answer.code] += 1
        return answer

    async def _until_answered(self, path: str, key: str, body: Mapping[str, Any] | None) -> Answer:
        for _ in range(ATTEMPTS_MAX):
            try:
                response = await self._client.post(
                    path, json=body, headers={"Idempotency-Key": key}
                )
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in RETRIED_STATUSES:
                return _answer(response)
            self.retries += 1
            await asyncio.sleep(RETRY_AFTER_S)
        return Answer(LOST_ANSWER, {})


def open_client(base_url: str, api_key: str) -> httpx.AsyncClient:
    """A client for one chain's key. The caller closes it."""
    return httpx.AsyncClient(
        base_url=f"{base_url}/api/v1",
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=REQUEST_TIMEOUT_S,
        trust_env=False,
    )


def _answer(response: httpx.Response) -> Answer:
    body = response.json() if response.content else {}
    if response.is_success:
        return Answer("ok", body)
    return Answer(str(body.get("code", response.status_code)), body)


def _seat(tile: Mapping[str, Any]) -> Seat:
    return Seat(
        pc_id=tile["pcId"],
        zone_id=tile["zoneId"],
        link=tile["link"],
        use=tile["use"],
        session_id=tile["sessionId"],
        session_status=tile["sessionStatus"],
        player_id=tile["playerId"],
        player_label=tile["playerLabel"],
        tariff_id=tile["tariffId"],
        coverage_status=tile["coverageStatus"],
    )
