"""Who may only run sessions takes no money in, and who tops a wallet up gives no bonus away."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from api_under_test import client_of, dependencies
from clubs_under_test import CHAIN, seed, wallet_of
from outages_under_test import ShardGateway
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from controller.api.access import check_part
from controller.api.auth import ApiKey, digest_of
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from schemas.access import ROLE_PERMISSIONS, Permission, Role

SESSIONS = "/api/v1/clubs/north/sessions"
TOP_UPS = "/api/v1/clubs/north/players/ann/wallet/top-ups"
PAYMENT: dict[str, object] = {"payment": {"amountMinor": 900_00, "means": "cash"}}
GUEST: dict[str, object] = {"pcId": "north-main-0", "guestLabel": "Guest", "tariffId": "standard"}
HELD: Mapping[str, frozenset[Permission]] = {
    "hall": frozenset({Permission.SESSION_EDIT}),
    "till": frozenset({Permission.SESSION_EDIT, Permission.WALLET_EDIT}),
    "shop": frozenset({Permission.SESSION_EDIT, Permission.ORDER_EDIT}),
    "cashier": ROLE_PERMISSIONS[Role.CASHIER],
    "administrator": ROLE_PERMISSIONS[Role.ADMINISTRATOR],
}


@dataclass
class Desk:
    """Requests with one key after another."""

    client: httpx.AsyncClient
    store: MemoryStore
    sent: int = 0

    async def post(self, key: str, path: str, body: Mapping[str, object]) -> tuple[int, str]:
        """Status and code, or the session's id."""
        self.sent += 1
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"k{self.sent}"}
        answer = await self.client.post(path, json=body, headers=headers)
        told = answer.json()
        return answer.status_code, told.get("code") or told.get("sessionId", "")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    keys = [ApiKey(CHAIN, name, digest_of(name), permissions=held) for name, held in HELD.items()]
    async with client_of(dependencies(store, ShardGateway(shard), keys=keys), key=None) as client:
        yield Desk(client, store)


async def test_without_a_right_to_money_no_guest_pays(desk: Desk) -> None:
    assert await desk.post("hall", SESSIONS, GUEST | PAYMENT) == (403, "forbidden")
    status, session_id = await desk.post("hall", SESSIONS, GUEST)
    assert status == 201
    extend = f"/api/v1/sessions/{session_id}/extend"
    asked = PAYMENT | {"tariffId": "block"}
    assert await desk.post("hall", extend, asked) == (403, "forbidden")
    convert = f"/api/v1/sessions/{session_id}/convert-guest"
    assert (await desk.post("hall", convert, {"playerId": "ann"}))[0] == 200
    assert await wallet_of(desk.store, "ann") == (0, 0)


@pytest.mark.parametrize("key", ["till", "shop", "cashier", "administrator"])
async def test_with_one_a_guest_pays(desk: Desk, key: str) -> None:
    status, session_id = await desk.post(key, SESSIONS, GUEST | PAYMENT)
    assert status == 201
    extend = f"/api/v1/sessions/{session_id}/extend"
    assert (await desk.post(key, extend, PAYMENT | {"tariffId": "block"}))[0] == 200


@pytest.mark.parametrize("key", ["till", "cashier"])
async def test_bonus_has_a_right_of_its_own(desk: Desk, key: str) -> None:
    generous: dict[str, object] = {"amountMinor": 1, "bonusMinor": 1_000_00, "means": "cash"}
    assert await desk.post(key, TOP_UPS, generous) == (403, "forbidden")
    assert (await desk.post(key, TOP_UPS, generous | {"bonusMinor": 0}))[0] == 201
    assert await wallet_of(desk.store, "ann") == (1, 0)
    assert (await desk.post("administrator", TOP_UPS, generous))[0] == 201
    assert await wallet_of(desk.store, "ann") == (2, 1_000_00)


def test_a_right_in_one_club_holds_there_whatever_the_role_in_another() -> None:
    roles = (
        ("north", ROLE_PERMISSIONS[Role.ADMINISTRATOR]),
        (
            "south",
            ROLE_PERMISSIONS[Role.CASHIER],
        ),
    )
    nobody: frozenset[Permission] = frozenset()
    maria = Principal(CHAIN, "maria", permissions=nobody, club_permissions=roles)
    asking = maria.asking_for(Permission.WALLET_EDIT)
    check_part(asking, "topUpWallet.bonusMinor", "north")
    with pytest.raises(ProblemError, match="BonusEdit"):
        check_part(asking, "topUpWallet.bonusMinor", "south")
