"""What a role may do, it does: every operation, asked for by everybody whom the table lets in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import clubs_under_test
import httpx
import pytest
from api_under_test import KEY, ScriptedGateway, dependencies
from clerk_under_test import AT_CLUB, BLOCK_MINOR, Clerk
from issuer_under_test import IssuerUnderTest
from requests_under_test import ANNA, HERE, OUTAGE, VALID, Ask, Asked
from served_under_test import ServedClubs

from actors.store_memory import MemoryStore
from controller.api.access import needed_of
from controller.api.app import create_app
from controller.api.openapi import describe
from schemas.access import ROLE_PERMISSIONS, Role

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ADDRESSES: Final[Mapping[str, tuple[str, str]]] = {
    operation["operationId"]: (method.upper(), path)
    for path, methods in describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))[
        "paths"
    ].items()
    for method, operation in methods.items()
}
NOT_ASKED: Final = frozenset({"streamHall"})
"""Its answer ends when its reader leaves."""
DONE: Final = frozenset({200, 201, 202})
PLAYERS_SEAT: Final = {**ANNA, "tariffId": "minute"}
ENOUGH_MINOR: Final = 1_000_000


def _seated(clerk: Clerk, pc_id: str, *, start: bool) -> str:
    """A session of Anna's at a PC that is on; a player takes no other."""
    body = {**PLAYERS_SEAT, "pcId": pc_id, "start": start}
    session_id: str = clerk.send(f"{AT_CLUB}/sessions", body)["sessionId"]
    return session_id


def _of_annas(*, start: bool, body: object = None, ended: bool = False) -> Ask:
    def ask(clerk: Clerk) -> Asked:
        session_id = _seated(clerk, "pc-1", start=start)
        if ended:
            clerk.send(f"/sessions/{session_id}/end")
        return Asked({"sessionId": session_id}, body)

    return ask


BY_PLAYERS: Final[Mapping[str, Ask]] = {
    "createSession": lambda _clerk: Asked(HERE, {**PLAYERS_SEAT, "pcId": "pc-1"}),
    "getSession": _of_annas(start=True),
    "getReceipt": _of_annas(start=True, ended=True),
    "startSession": _of_annas(start=False),
    "extendSession": _of_annas(start=True, body={"tariffId": "block"}),
    "switchSessionDevice": _of_annas(start=True, body={"pcId": "pc-2"}),
    "endSession": _of_annas(start=True),
    "payOrder": lambda clerk: Asked(
        {"orderId": clerk.unpaid_order()},
        {"payments": [{"means": "balance", "amountMinor": BLOCK_MINOR}]},
    ),
    "updatePlayer": lambda clerk: Asked(
        ANNA, {"autoRenewal": True}, version=clerk.version("/players/anna")
    ),
}
"""A player asks for what is theirs; staff are asked about anybody."""


@dataclass
class Club:
    """A club at work, a clerk who makes what is asked about, and whoever asks."""

    served: ServedClubs
    clerk: Clerk
    client: httpx.Client
    issuer: IssuerUnderTest
    keys: Iterator[int] = field(default_factory=count)

    def ask(self, role: Role, operation: str, asked: Asked) -> httpx.Response:
        method, path = ADDRESSES[operation]
        where, chain = self.served.at.address, "chain-a"
        if asked.path.get("clubId") == OUTAGE["clubId"]:
            where, chain = self.served.at.judging, clubs_under_test.CHAIN
        bearer = self.issuer.token("anna", role, chain_id=chain)
        headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": f"at-{next(self.keys)}"}
        if asked.version is not None:
            headers["If-Match"] = asked.version
        address = f"{where}{path.format(**asked.path)}"
        query: dict[str, Any] = dict(asked.query)
        return self.client.request(method, address, json=asked.body, params=query, headers=headers)

    def leave(self) -> None:
        """Nobody plays and nothing is booked any more."""
        found = "/sessions?status=Active&status=Wait&limit=200&playerId=anna"
        for one in self.clerk.send(found, method="GET")["sessions"]:
            how = "end" if one["status"] == "Active" else "cancel"
            self.clerk.send(f"/sessions/{one['sessionId']}/{how}")


@pytest.fixture(scope="module")
def club() -> Iterator[Club]:
    issuer = IssuerUnderTest()
    with ServedClubs(tokens=issuer.reader()) as served:
        clerk = Clerk(served.at.address, KEY)
        clerk.send(f"{AT_CLUB}/players/anna/wallet/top-ups", {"amountMinor": ENOUGH_MINOR})
        with httpx.Client(trust_env=False, timeout=20) as client:
            yield Club(served, clerk, client, issuer)
        clerk.close()


def allowed(role: Role) -> list[str]:
    is_player = role is Role.PLAYER
    return [
        operation
        for operation in sorted(VALID.keys() - NOT_ASKED)
        if needed_of(operation, is_player=is_player) in ROLE_PERMISSIONS[role]
    ]


CELLS: Final = [(role, operation) for role in Role for operation in allowed(role)]


def test_the_table_lets_everybody_do_something() -> None:
    assert {role for role, _ in CELLS} == set(Role)
    assert set(allowed(Role.ADMINISTRATOR)) == VALID.keys() - NOT_ASKED
    assert set(allowed(Role.PLAYER)) >= BY_PLAYERS.keys()


@pytest.mark.parametrize(("role", "operation"), CELLS)
def test_what_a_role_may_do_it_does(club: Club, role: Role, operation: str) -> None:
    make: Callable[[Clerk], Asked] = VALID[operation]
    if role is Role.PLAYER:
        make = BY_PLAYERS.get(operation, make)
    try:
        answer = club.ask(role, operation, make(club.clerk))
        assert answer.status_code in DONE, answer.text
    finally:
        club.leave()
