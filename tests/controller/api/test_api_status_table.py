"""Status before x operation x who asks -> what comes of it, over HTTP; and the audit of it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from api_under_test import CHAIN, CLUB, HELD, KEY, OTHER_KEY, serving
from issuer_under_test import IssuerUnderTest
from whole_club import whole_club

from controller.api.auth import ApiKey, digest_of

SESSIONS: Final = f"/clubs/{CLUB}/sessions"
OPERATIONS: Final[dict[str, dict[str, object] | None]] = {
    "start": None,
    "extend": {"tariffId": "block"},
    "switch-device": {"pcId": "pc-2"},
    "end": {},
    "cancel": None,
    "convert-guest": {"playerId": "anna"},
}
AFTER: Final = {
    ("PENDING", "start"): "STARTED",
    ("PENDING", "extend"): "PENDING",
    ("PENDING", "switch-device"): "PENDING",
    ("PENDING", "end"): "ENDED",
    ("PENDING", "cancel"): "CANCELLED",
    ("PENDING", "convert-guest"): "PENDING",
    ("ACTIVE", "start"): "STARTED",
    ("ACTIVE", "extend"): "ACTIVE",
    ("ACTIVE", "switch-device"): "ACTIVE",
    ("ACTIVE", "end"): "ENDED",
    ("ACTIVE", "cancel"): "CANCELLED",
    ("ACTIVE", "convert-guest"): "ACTIVE",
    ("STARTED", "start"): "session-already-started",
    ("STARTED", "extend"): "STARTED",
    ("STARTED", "switch-device"): "STARTED",
    ("STARTED", "end"): "ENDED",
    ("STARTED", "cancel"): "session-already-started",
    ("STARTED", "convert-guest"): "STARTED",
    **{
        (status, name): "session-finished"
        for status in ("ENDED", "CANCELLED")
        for name in OPERATIONS
    },
}
"""What may be done comes to a status, what may not to the code of a 409."""
MAY: Final[dict[str, frozenset[str]]] = {
    "administrator": frozenset(OPERATIONS),
    "cashier": frozenset(OPERATIONS) - {"cancel"},
    "owner": frozenset(),
    "player": frozenset(OPERATIONS) - {"cancel", "convert-guest"},
    "other player": frozenset(OPERATIONS) - {"cancel", "convert-guest"},
    "other chain": frozenset(OPERATIONS),
}
EVERYBODY: Final = frozenset({"anna", "boris", None})
CREATES: Final[dict[str, frozenset[str | None]]] = {
    "administrator": EVERYBODY,
    "cashier": EVERYBODY,
    "owner": frozenset(),
    "player": frozenset({"anna"}),
    "other player": frozenset({"boris"}),
    "other chain": frozenset(),
}
"""For whom each caller makes sessions; None is a one-time guest."""
STRANGERS: Final = frozenset({"other player", "other chain"})


class Desk:
    """Puts sessions into any status, and asks as anybody."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        issuer_of = IssuerUnderTest()
        self.issuer = issuer_of
        self.client = client
        self.requests = 0

    def bearer(self, caller: str) -> str:
        if caller == "other chain":
            return OTHER_KEY
        subject, role = {
            "player": ("anna", "player"),
            "other player": ("boris", "player"),
        }.get(caller, (caller, caller))
        return self.issuer.token(subject, role)

    async def post(
        self, path: str, body: object = None, *, bearer: str = KEY, if_match: str | None = None
    ) -> httpx.Response:
        self.requests += 1
        headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": f"r{self.requests}"}
        if if_match is not None:
            headers["If-Match"] = if_match
        return await self.client.post(path, json=body, headers=headers)

    async def session(self, status: str, *, guest: bool) -> str:
        """A session of anna's (or a guest's) on PC 1 in this status."""
        body: dict[str, Any] = {"pcId": "pc-1", "tariffId": "minute"}
        body |= {"guestLabel": "Max"} if guest else {"playerId": "anna"}
        if guest:
            body["payment"] = {"amountMinor": 30_000}
        if status == "PENDING":
            body["plannedStartAt"] = await self.in_an_hour()
        if status in {"STARTED", "ENDED"}:
            body["start"] = True
        made = await self.post(SESSIONS, body)
        assert made.status_code == 201, made.text
        session_id = str(made.json()["sessionId"])
        finish = {"ENDED": "end", "CANCELLED": "cancel"}.get(status)
        if finish is not None:
            assert (await self.post(f"/sessions/{session_id}/{finish}")).status_code == 200
        shown = (await self.get(f"/sessions/{session_id}"))["status"]
        assert shown == status
        return session_id

    async def in_an_hour(self) -> str:
        now = (await self.get(f"/clubs/{CLUB}/hall"))["now"]
        return (datetime.fromisoformat(now) + timedelta(hours=1)).isoformat()

    async def get(self, path: str, bearer: str = KEY) -> Any:
        answer = await self.client.get(path, headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def clear(self, session_id: str) -> None:
        """End it if it goes on, so that the next one finds its PC."""
        answer = await self.post(f"/sessions/{session_id}/end")
        assert answer.status_code == 200 or answer.json()["code"] == "session-finished"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    issuer = IssuerUnderTest()
    far = ApiKey(CHAIN, "far-away", digest_of("far"), club_ids=frozenset({"club-9"}))
    async with (
        whole_club(tokens=issuer.reader(), keys=[far]) as club,
        serving(club.app) as address,
        httpx.AsyncClient(
            base_url=f"{address}/api/v1",
            trust_env=False,
            timeout=20,
            event_hooks=HELD,
        ) as client,
    ):
        made = Desk(client)
        made.issuer = issuer
        for player_id in ("anna", "boris"):
            top_up = f"/clubs/{CLUB}/players/{player_id}/wallet/top-ups"
            assert (await made.post(top_up, {"amountMinor": 100_000})).status_code == 201
        yield made


def expected(status: str, operation: str, caller: str) -> str:
    """The status after, or the code of the refusal."""
    if operation not in MAY[caller]:
        return "forbidden"
    return "session-not-found" if caller in STRANGERS else AFTER[status, operation]


@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "STARTED", "ENDED", "CANCELLED"])
async def test_each_operation_in_each_status_for_each_caller(desk: Desk, status: str) -> None:
    for operation, body in OPERATIONS.items():
        for caller in MAY:
            session_id = await desk.session(status, guest=operation == "convert-guest")
            path = f"/sessions/{session_id}/{operation}"
            answer = await desk.post(path, body, bearer=desk.bearer(caller))
            told = answer.json()
            found = told["status"] if answer.status_code == 200 else told["code"]
            assert found == expected(status, operation, caller), (operation, caller, told)
            now = (await desk.get(f"/sessions/{session_id}"))["status"]
            assert now == (found if answer.status_code == 200 else status)
            await desk.clear(session_id)
    hall = await desk.get(f"/clubs/{CLUB}/hall")
    assert {tile["use"] for tile in hall["tiles"]} == {"FREE"}, "no finished session blocks a PC"


@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "STARTED", "ENDED", "CANCELLED"])
async def test_a_move_into_another_zone_in_each_status_for_each_caller(
    desk: Desk, status: str
) -> None:
    """What was played stays a segment of the first zone; what was only booked moves."""
    for caller in MAY:
        session_id = await desk.session(status, guest=False)
        path = f"/sessions/{session_id}/switch-device"
        answer = await desk.post(path, {"pcId": "pc-4"}, bearer=desk.bearer(caller))
        told = answer.json()
        found = told["status"] if answer.status_code == 200 else told["code"]
        assert found == expected(status, "switch-device", caller), (caller, told)
        shown = await desk.get(f"/sessions/{session_id}")
        moved = answer.status_code == 200
        assert (shown["pcId"], shown["zoneId"]) == (("pc-4", "vip") if moved else ("pc-1", "std"))
        if moved:
            zones = [segment["zoneId"] for segment in shown["segments"]]
            assert zones == (["std", "vip"] if status == "STARTED" else ["vip"])
        await desk.clear(session_id)
    hall = await desk.get(f"/clubs/{CLUB}/hall")
    assert {tile["use"] for tile in hall["tiles"]} == {"FREE"}


@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "STARTED"])
async def test_a_session_is_made_in_each_status_by_whoever_may(desk: Desk, status: str) -> None:
    for caller, whose in CREATES.items():
        for holder in ("anna", "boris", None):
            body: dict[str, Any] = {"pcId": "pc-1", "tariffId": "minute"}
            body |= {"guestLabel": "Max"} if holder is None else {"playerId": holder}
            if holder is None:
                body["payment"] = {"amountMinor": 30_000}
            if status == "PENDING":
                body["plannedStartAt"] = await desk.in_an_hour()
            body["start"] = status == "STARTED"
            answer = await desk.post(SESSIONS, body, bearer=desk.bearer(caller))
            told = answer.json()
            found = told["status"] if answer.status_code == 201 else told["code"]
            refusal = "club-not-found" if caller == "other chain" else "forbidden"
            assert found == (status if holder in whose else refusal), (caller, holder, told)
            if answer.status_code == 201:
                await desk.clear(told["sessionId"])
    hall = await desk.get(f"/clubs/{CLUB}/hall")
    assert {tile["use"] for tile in hall["tiles"]} == {"FREE"}


async def test_a_command_on_a_version_that_is_gone_changes_nothing(desk: Desk) -> None:
    session_id = await desk.session("ACTIVE", guest=False)
    seen = await desk.client.get(
        f"/sessions/{session_id}", headers={"Authorization": f"Bearer {KEY}"}
    )
    start = f"/sessions/{session_id}/start"
    for if_match, status, code in (
        ('"99"', 412, "version-changed"),
        ("7", 400, "if-match-invalid"),
        ('"1", "2"', 400, "if-match-invalid"),
    ):
        refused = await desk.post(start, if_match=if_match)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await desk.post(start, if_match=seen.headers["etag"])).status_code == 200
    stale = await desk.post(f"/sessions/{session_id}/end", if_match=seen.headers["etag"])
    assert stale.json()["code"] == "version-changed"
    assert (await desk.post(f"/sessions/{session_id}/end", if_match="*")).status_code == 200


async def test_the_audit_tells_who_asked_for_what_from_where_and_what_came_of_it(
    desk: Desk,
) -> None:
    session_id = await desk.session("STARTED", guest=False)
    cashier = desk.bearer("cashier")
    await desk.post(f"/sessions/{session_id}/end", bearer=cashier)
    await desk.post(f"/sessions/{session_id}/end", bearer=cashier)
    path = f"/clubs/{CLUB}/audit"
    page = await desk.get(f"{path}?limit=2", desk.bearer("owner"))
    told = [(one["principal"], one["operation"], one["result"]) for one in page["entries"]]
    assert told == [
        ("staff:cashier", "endSession", "rejected"),
        ("staff:cashier", "endSession", "ok"),
    ]
    newest = page["entries"][0]
    assert (newest["code"], newest["origin"], newest["channel"]) == (
        "session-finished",
        "127.0.0.1",
        "crm",
    )
    assert newest["asked"] == {"session_id": session_id, "reason": "ManualByAdmin"}
    older = await desk.get(f"{path}?cursor={page['nextCursor']}")
    operations = [one["operation"] for one in older["entries"]]
    assert operations == ["createSession", "topUpWallet", "topUpWallet"]
    assert older["entries"][0]["principal"] == "key:front-desk"
    assert older["nextCursor"] is None
    hidden = await desk.client.get(path, headers={"Authorization": "Bearer far"})
    assert hidden.json()["code"] == "club-not-found"
    refused = await desk.client.get(path, headers={"Authorization": f"Bearer {cashier}"})
    assert refused.json()["code"] == "forbidden"
