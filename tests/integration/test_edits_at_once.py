"""Every change of what is configured, twenty times at once over two edges: one effect, one answer.

The edges share a real store and remember nothing of each other.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest
from clubs_under_test import CHAIN
from two_clubs_under_test import STAFF_KEY, TwoClubs, two_clubs

from actors.clock import SystemClock
from controller.api.access import OPERATION_PERMISSIONS
from controller.enrolment.office import EnrolmentOffice
from schemas.enrolment import EnrolmentRequest
from schemas.views import AuditEntryView

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TWENTY: Final = 20
NORTH: Final = "/clubs/north"
URL: Final = "https://crm.example/hook"
CONTENT: Final = {
    "name": "Evening",
    "currency": "EUR",
    "type": "PER_MINUTE",
    "prices": [{"name": "any", "pricePerHourMinor": 9_000}],
}
Asked = tuple[str, str, object]
READY: Final[tuple[Asked, ...]] = (
    ("POST", f"{NORTH}/zones", {"zoneId": "spare", "name": "Spare"}),
    ("POST", "/player-groups", {"groupId": "old", "name": "Old"}),
    ("POST", "/player-groups", {"groupId": "vip", "name": "Vip"}),
    ("POST", "/staff", {"staffId": "olga", "name": "Olga", "roles": []}),
    *(("POST", "/tariffs", {"tariffId": f"t{n}", "content": CONTENT}) for n in range(3)),
)
EDITS: Final[dict[str, Asked]] = {
    "updateChain": ("PATCH", "/chain", {"name": "Orbit 2"}),
    "createClub": (
        "POST",
        "/clubs",
        {"clubId": f"{CHAIN}-west", "name": "West", "timezone": "UTC", "currency": "EUR"},
    ),
    "updateClubSettings": ("PATCH", f"{NORTH}/settings", {"name": "North 2"}),
    "createZone": ("POST", f"{NORTH}/zones", {"zoneId": "nine", "name": "Nine"}),
    "updateZone": ("PATCH", f"{NORTH}/zones/north-main", {"name": "Main 2"}),
    "deleteZone": ("DELETE", f"{NORTH}/zones/spare", None),
    "createPc": (
        "POST",
        f"{NORTH}/pcs",
        {"pcId": "pc-new", "zoneId": "north-main", "name": "New"},
    ),
    "updatePc": ("PATCH", f"{NORTH}/pcs/north-main-0", {"name": "Window"}),
    "createTariff": ("POST", "/tariffs", {"tariffId": "t9", "content": CONTENT}),
    "putTariffDraft": ("PUT", "/tariffs/t0/draft", {"content": CONTENT | {"name": "Late"}}),
    "discardTariffDraft": ("DELETE", "/tariffs/t1/draft", None),
    "publishTariff": ("POST", "/tariffs/t2/publish", {}),
    "updateTariff": ("PATCH", "/tariffs/block", {"status": "INACTIVE"}),
    "createPlayerGroup": ("POST", "/player-groups", {"groupId": "new", "name": "New"}),
    "updatePlayerGroup": ("PATCH", "/player-groups/vip", {"name": "Vip 2"}),
    "deletePlayerGroup": ("DELETE", "/player-groups/old", None),
    "createPlayer": ("POST", "/players", {"label": "Zed", "phone": "+49 151 555 09 09"}),
    "updatePlayer": ("PATCH", "/players/ann", {"autoRenewal": True}),
    "createStaff": ("POST", "/staff", {"staffId": "maria", "name": "Maria", "roles": []}),
    "updateStaff": ("PATCH", "/staff/olga", {"enabled": False}),
    "createApiKey": ("POST", "/api-keys", {"name": "till", "role": "cashier"}),
    "revokeApiKey": ("POST", "/api-keys/{keyId}/revoke", None),
    "createWebhook": ("POST", "/webhooks", {"url": f"{URL}/2"}),
    "updateWebhook": ("PATCH", "/webhooks/{webhookId}", {"events": ["session_ended"]}),
    "disableWebhook": ("POST", "/webhooks/{webhookId}/disable", None),
    "enableWebhook": ("POST", "/webhooks/{webhookId}/enable", None),
    "rotateWebhookSecret": ("POST", "/webhooks/{webhookId}/rotate-secret", None),
    "deleteWebhook": ("DELETE", "/webhooks/{webhookId}", None),
    "createEnrolmentCode": ("POST", f"{NORTH}/enrolment-codes", {"uses": 3}),
    "approveEnrolment": (
        "POST",
        f"{NORTH}/enrolments/{{first}}/approve",
        {"pcId": "north-main-1"},
    ),
    "rejectEnrolment": ("POST", f"{NORTH}/enrolments/{{second}}/reject", None),
    "rotatePcSecret": ("POST", f"{NORTH}/pcs/north-main-1/rotate", None),
    "revokePc": ("POST", f"{NORTH}/pcs/north-main-1/revoke", None),
}
"""In this order: some stand on what those before them have made."""
BY_HOSTS: Final = frozenset(
    {
        "createSession",
        "startSession",
        "extendSession",
        "switchSessionDevice",
        "endSession",
        "cancelSession",
        "convertGuest",
        "holdPc",
        "releasePc",
        "commandPc",
        "createOrder",
        "payOrder",
        "refundOrder",
        "topUpWallet",
        "approveOutage",
        "rejectOutage",
    }
)
"""What hosts decide; test_one_of_everything.py sends those."""
TOLD_AS: Final = {
    "createEnrolmentCode": "create_enrolment_code",
    "approveEnrolment": "approve_enrolment",
    "rejectEnrolment": "reject_enrolment",
    "rotatePcSecret": "rotate_pc_secret",
    "revokePc": "revoked_pc",
}


class Edges:
    """A caller at both edges."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        self.clients = clients
        self._keys = 0

    async def one(self, asked: Asked, *, key: str | None = None, edge: int = 0) -> httpx.Response:
        self._keys += 1
        method, path, body = asked
        headers = {"Idempotency-Key": key or f"ready-{self._keys}", "If-Match": "*"}
        return await self.clients[edge].request(method, path, json=body, headers=headers)

    async def at_once(self, asked: Asked, *, key: str) -> list[httpx.Response]:
        method, path, body = asked
        headers = {"Idempotency-Key": key}
        versioned = method in {"PATCH", "PUT", "DELETE"}
        if versioned or path.endswith("/publish"):
            headers["If-Match"] = await self.etag(path.replace("/publish", "/draft"))
        callers = islice(cycle(self.clients), TWENTY)
        return await asyncio.gather(
            *(each.request(method, path, json=body, headers=headers) for each in callers)
        )

    async def etag(self, path: str) -> str:
        return (await self.clients[0].get(path)).headers["etag"]


@asynccontextmanager
async def edges_of(chain: TwoClubs) -> AsyncIterator[Edges]:
    headers = {"Authorization": f"Bearer {STAFF_KEY}"}
    async with AsyncExitStack() as stack:
        clients = [
            httpx.AsyncClient(
                base_url=f"{address}/api/v1", headers=headers, trust_env=False, timeout=30
            )
            for address in chain.addresses
        ]
        for client in clients:
            await stack.enter_async_context(client)
        yield Edges(clients)


async def ready(chain: TwoClubs, edges: Edges) -> dict[str, str]:
    """What some of the edits are about; the ids that were drawn for it."""
    for asked in READY:
        made = await edges.one(asked)
        assert made.status_code == 201, made.text
    key = (await edges.one(("POST", "/api-keys", {"name": "old", "role": "owner"}))).json()
    webhook = (await edges.one(("POST", "/webhooks", {"url": URL}))).json()
    code = (await edges.one(("POST", f"{NORTH}/enrolment-codes", {"uses": 2}))).json()["code"]
    office = EnrolmentOffice(chain.store, SystemClock(), secrets.token_bytes)
    waiting = []
    for name in ("a", "b"):
        asks = EnrolmentRequest(code=code, secret=name.ljust(43, "_"))
        waiting.append((await office.admit(asks, "127.0.0.1"))[2].request_id)
    return {
        "keyId": key["keyId"],
        "webhookId": webhook["webhookId"],
        "first": waiting[0],
        "second": waiting[1],
    }


async def audited(chain: TwoClubs, key: str) -> list[tuple[str, str]]:
    entries = await chain.store.audit(CHAIN, count=1_000)
    found = [AuditEntryView.model_validate_json(entry.payload) for entry in entries]
    return [(one.operation, one.result) for one in found if one.idempotency_key.endswith(key)]


def test_every_change_is_here_or_a_command() -> None:
    changes = {name for name, need in OPERATION_PERMISSIONS.items() if "Read" not in need.value}
    assert changes == set(EDITS) | BY_HOSTS


async def test_twenty_at_once_are_one_and_are_answered_alike(tmp_path: Path) -> None:
    async with two_clubs(tmp_path / "state") as chain, edges_of(chain) as edges:
        ids = await ready(chain, edges)
        for name, (method, path, body) in EDITS.items():
            asked, key = (method, path.format(**ids), body), f"at-once-{name}"
            answers = await edges.at_once(asked, key=key)
            assert {one.status_code for one in answers} <= {200, 201}, (name, _told(answers))
            assert len({_shown(one) for one in answers}) == 1, (name, _told(answers))
            assert await audited(chain, key) == [(TOLD_AS.get(name, name), "ok")], name
            again = await edges.one(asked, key=key, edge=1)
            assert _shown(again) == _shown(answers[0]), name
        await _secrets_are_one(edges)


async def test_twenty_that_cannot_be_done_are_refused_alike_and_stay_refused(
    tmp_path: Path,
) -> None:
    async with two_clubs(tmp_path / "state") as chain, edges_of(chain) as edges:
        asked: Asked = ("POST", "/players", {"playerId": "g", "label": "G", "groups": ["vip"]})
        answers = await edges.at_once(asked, key="early")
        assert _told(answers) == {(422, "reference-unknown"): TWENTY}
        assert len({one.content for one in answers}) == 1
        await edges.one(("POST", "/player-groups", {"groupId": "vip", "name": "Vip"}))
        assert (await edges.one(asked, key="early")).content == answers[0].content
        assert (await edges.one(asked, key="later")).status_code == 201
        other = await edges.one(("POST", "/players", {"label": "H"}), key="early")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
        assert await audited(chain, ":early") == [("createPlayer", "rejected")]


async def _secrets_are_one(edges: Edges) -> None:
    """Of a key's secret nothing is kept, so one of the twenty was told it; it is the key's."""
    asked: Asked = ("POST", "/api-keys", {"name": "desk", "role": "owner"})
    answers = await edges.at_once(asked, key="one-secret")
    told = [one.json()["secret"] for one in answers if one.json()["secret"] is not None]
    assert len(told) == 1
    holder = {"Authorization": f"Bearer {told[0]}"}
    assert (await edges.clients[1].get("/chain", headers=holder)).status_code == 200


def _shown(answer: httpx.Response) -> bytes:
    body: dict[str, Any] = answer.json()
    if "keyId" in body:
        body.pop("secret", None)
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _told(answers: list[httpx.Response]) -> Counter[tuple[int, str | None]]:
    return Counter((one.status_code, one.json().get("code")) for one in answers)
