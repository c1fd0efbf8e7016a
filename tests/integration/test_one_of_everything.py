"""One key, one effect, one answer: sent twenty times at once, and over a line that loses replies.

Two edges serve one store, so that what one of them remembers does not help the other.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from clubs_under_test import CHAIN, wallet_of
from lossy_proxy_under_test import lossy_proxy
from pydantic import BaseModel
from two_clubs_under_test import TwoClubs, two_clubs

from controller.api.instants import render_instant
from controller.client import ClubctlClient
from controller.client.transport import ClubctlError
from controller.verify import verify
from schemas.commands import Command
from schemas.views import AuditEntryView

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TWENTY: Final = 20
CLUB: Final = "north"
BLOCK_MINOR: Final = 200_00
GUEST_MINOR: Final = 30_00
BOOKED_AHEAD_MS: Final = 4 * 3_600_000
ONE_EVENING: Final = {
    "session_created": 4,
    "session_started": 2,
    "session_extended": 1,
    "device_switched": 1,
    "session_cancelled": 1,
    "guest_converted": 1,
    "session_ended": 2,
}
"""Events of sessions that one caller causes over a line that loses replies."""

Call = Callable[[ClubctlClient, str, Mapping[str, str]], Awaitable[BaseModel]]


def _path(path: str, body: Mapping[str, object] | None = None) -> Call:
    """A request by its path, with the ids of what stands ready."""

    async def call(client: ClubctlClient, key: str, ids: Mapping[str, str]) -> BaseModel:
        filled = None
        if body is not None:
            filled = orjson.loads(orjson.dumps(body).decode().replace("$pack", ids["pack"]))
        return await client.send(_Any, "POST", path.format(**ids), key=key, body=filled)

    return call


class _Any(BaseModel):
    model_config = {"extra": "allow"}


SEAT: Final = {"pcId": "north-main-0", "tariffId": "standard", "start": True}
CALLS: Final[dict[str, Call]] = {
    "create_session": _path(f"/clubs/{CLUB}/sessions", SEAT | {"playerId": "ann"}),
    "start_session": _path("/sessions/{booked}/start"),
    "extend_session": _path("/sessions/{running}/extend", {"tariffId": "block"}),
    "switch_session_device": _path("/sessions/{running}/switch-device", {"pcId": "north-vip-1"}),
    "end_session": _path("/sessions/{running}/end"),
    "cancel_session": _path("/sessions/{booked}/cancel"),
    "convert_guest": _path("/sessions/{guest}/convert-guest", {"playerId": "bob"}),
    "hold_pc": _path(f"/clubs/{CLUB}/pcs/north-main-0/hold", {"reason": "mouse"}),
    "release_pc": _path(f"/clubs/{CLUB}/pcs/north-main-2/release"),
    "top_up_wallet": _path(f"/clubs/{CLUB}/players/ann/wallet/top-ups", {"amountMinor": 700}),
    "create_order": _path(
        f"/clubs/{CLUB}/orders",
        {
            "playerId": "ann",
            "tariffIds": ["block"],
            "payments": [{"means": "balance", "amountMinor": BLOCK_MINOR}],
        },
    ),
    "pay_order": _path(
        "/orders/{unpaid}/pay", {"payments": [{"means": "balance", "amountMinor": BLOCK_MINOR}]}
    ),
    "refund_order": _path("/orders/{paid}/refund"),
}


REFUSED: Final[dict[str, Call]] = {
    "command_pc": _path(f"/clubs/{CLUB}/pcs/north-main-0/commands", {"command": "REBOOT"}),
    "resolve_outage": _path(f"/clubs/{CLUB}/outages/{{running}}/0/approve"),
}
"""Commands this club has no occasion for: no PC is connected and no time was lost."""


async def ready(client: ClubctlClient, key: str) -> dict[str, str]:
    """What the commands are about, made for one of them."""
    await client.top_up_wallet(CLUB, "ann", key=f"{key}-a", amount_minor=2_000_00)
    running = await client.create_session(
        CLUB,
        key=f"{key}-b",
        pc_id="north-main-1",
        player_id="ann",
        tariff_id="standard",
        start=True,
    )
    booked = await client.create_session(
        CLUB, key=f"{key}-c", pc_id="north-vip-0", player_id="ann", tariff_id="standard"
    )
    guest = await client.create_session(
        CLUB,
        key=f"{key}-d",
        pc_id="north-vip-2",
        guest_label="Max",
        tariff_id="standard",
        payment={"amountMinor": 30_00},
        start=True,
    )
    await client.hold_pc(CLUB, "north-main-2", key=f"{key}-e", reason="dust")
    unpaid = await client.create_order(CLUB, key=f"{key}-f", player_id="ann", tariff_ids=["block"])
    paid = await client.create_order(
        CLUB,
        key=f"{key}-g",
        player_id="ann",
        tariff_ids=["block"],
        payments=[{"means": "card", "amountMinor": BLOCK_MINOR}],
    )
    return {
        "running": running.session_id,
        "booked": booked.session_id,
        "guest": guest.session_id,
        "unpaid": unpaid.order_id,
        "paid": paid.order_id,
        "pack": paid.lines[0].player_tariff_id or "",
    }


async def audited(chain: TwoClubs, key: str) -> list[AuditEntryView]:
    """What the audit has under a key: each decision that took effect once."""
    found = [
        AuditEntryView.model_validate_json(entry.payload)
        for entry in await chain.store.audit(CHAIN, count=1_000)
    ]
    return [one for one in found if one.idempotency_key.endswith(f":{key}")]


def test_every_kind_of_command_is_here() -> None:
    kinds = {
        one.model_fields["kind"].default
        for one in Command.__origin__.__args__  # type: ignore[attr-defined]
    }
    assert kinds == set(CALLS) | set(REFUSED)


@pytest.mark.parametrize("kind", REFUSED)
async def test_twenty_at_once_are_refused_as_one(kind: str, tmp_path: Path) -> None:
    async with two_clubs(tmp_path / "state", pcs_per_zone=3) as chain:
        first, second = chain.addresses
        async with chain.client(first) as one, chain.client(second) as two:
            ids = await ready(one, "ready")
            call, callers = REFUSED[kind], islice(cycle((one, two)), TWENTY)
            answers = await asyncio.gather(
                *(call(each, "same", ids) for each in callers), return_exceptions=True
            )
            assert all(isinstance(one, ClubctlError) for one in answers), answers
            assert len({str(one) for one in answers}) == 1
            (entry,) = await audited(chain, "same")
            assert (entry.operation, entry.result) == (kind, "rejected")


@pytest.mark.parametrize("kind", CALLS)
async def test_twenty_at_once_are_one(kind: str, tmp_path: Path) -> None:
    async with two_clubs(tmp_path / "state", pcs_per_zone=3) as chain:
        first, second = chain.addresses
        async with chain.client(first) as one, chain.client(second) as two:
            ids = await ready(one, "ready")
            call, callers = CALLS[kind], islice(cycle((one, two)), TWENTY)
            answers = await asyncio.gather(*(call(each, "same", ids) for each in callers))
            told = {orjson.dumps(one.model_dump(), option=orjson.OPT_SORT_KEYS) for one in answers}
            assert len(told) == 1
            (entry,) = await audited(chain, "same")
            assert (entry.operation, entry.result) == (kind, "ok")
            again = await call(two, "same", ids)
            assert again == answers[0]
        report = await verify(chain.store, None)
        assert report.ok, report.rows
        ids_posted = Counter(one["id"] for one in await chain.transactions())
        assert set(ids_posted.values()) == {1}


async def test_over_a_line_that_loses_every_second_reply_there_is_one_of_everything(
    tmp_path: Path,
) -> None:
    callers = 6
    async with (
        two_clubs(tmp_path / "state", pcs_per_zone=callers) as chain,
        lossy_proxy(chain.addresses[0]) as proxy,
    ):
        async with chain.client(proxy.address, sleep=_soon, attempts=40) as client:
            later = render_instant(chain.clock.wall_ms() + BOOKED_AHEAD_MS)
            await asyncio.gather(*(_evening(client, n, later=later) for n in range(callers)))
            assert proxy.lost > callers * 14
        ledger = await chain.transactions()
        kinds = Counter(one["kind"] for one in ledger)
        assert kinds["top_up"] == callers * 2, "Ann's money, and the guest's"
        orders = await chain.store.documents_by_prefix(CHAIN, "order:")
        assert len(orders) == 2 * callers
        kept = [orjson.loads(each.blob) for each in orders]
        assert sum(len(order["payments"]) for order in kept) == 2 * callers
        assert sum(len(order["refunds"]) for order in kept) == callers
        events = Counter(one["event"]["kind"] for one in await chain.events())
        assert {kind: events[kind] for kind in ONE_EVENING} == {
            kind: callers * times for kind, times in ONE_EVENING.items()
        }
        assert len(await chain.store.closed_ids(CHAIN)) == callers * 3
        waiting = await chain.store.sessions_of_club(CHAIN, CLUB)
        booked = [orjson.loads(one.blob) for one in waiting]
        assert [one["status"] for one in booked] == ["PENDING"] * callers
        assert len({one["pc_id"] for one in booked}) == callers
        held = sum([*await wallet_of(chain.store, "ann"), *await wallet_of(chain.store, "bob")])
        assert _spent(ledger) == callers * (900_00 + GUEST_MINOR - BLOCK_MINOR) - held
        report = await verify(chain.store, None)
        assert report.ok, report.rows


async def _soon(_seconds: float) -> None:
    await asyncio.sleep(0.01)


async def _evening(client: ClubctlClient, number: int, *, later: str) -> None:
    """Money in, two purchases of which one goes back, a session that is extended and moved, two
    bookings of which one is cancelled, and a guest who becomes a player."""
    key = f"caller-{number}"
    await client.top_up_wallet(CLUB, "ann", key=f"{key}-1", amount_minor=900_00)
    unpaid = await client.create_order(CLUB, key=f"{key}-2", player_id="ann", tariff_ids=["block"])
    by_wallet: list[dict[str, Any]] = [{"means": "balance", "amountMinor": BLOCK_MINOR}]
    await client.pay_order(unpaid.order_id, key=f"{key}-3", payments=by_wallet)
    at_once = await client.create_order(
        CLUB, key=f"{key}-4", player_id="ann", tariff_ids=["block"], payments=by_wallet
    )
    await client.refund_order(at_once.order_id, key=f"{key}-5")
    session = await client.create_session(
        CLUB,
        key=f"{key}-6",
        pc_id=f"north-main-{number}",
        player_id="ann",
        tariff_id="standard",
        start=True,
    )
    await client.switch_session_device(
        session.session_id, key=f"{key}-7", pc_id=f"north-vip-{number}"
    )
    await client.extend_session(session.session_id, key=f"{key}-8", tariff_id="block")
    await client.end_session(session.session_id, key=f"{key}-9")
    await _bookings(client, key, number, later=later)
    await _guest(client, key, number)


async def _bookings(client: ClubctlClient, key: str, number: int, *, later: str) -> None:
    for seat in ("main", "vip"):
        booked = await client.create_session(
            CLUB,
            key=f"{key}-{seat}",
            pc_id=f"north-{seat}-{number}",
            player_id="ann",
            tariff_id="standard",
            planned_start_at=later,
        )
        assert (booked.status, booked.planned_start_at) == ("PENDING", later)
    cancelled = await client.cancel_session(booked.session_id, key=f"{key}-cancel")
    assert cancelled.status == "CANCELLED"


async def _guest(client: ClubctlClient, key: str, number: int) -> None:
    guest = await client.create_session(
        CLUB,
        key=f"{key}-guest",
        pc_id=f"north-vip-{number}",
        guest_label="Max",
        tariff_id="standard",
        payment={"amountMinor": GUEST_MINOR},
        start=True,
    )
    converted = await client.convert_guest(guest.session_id, key=f"{key}-convert", player_id="bob")
    assert (converted.player_id, converted.guest_label) == ("bob", None)
    await client.end_session(guest.session_id, key=f"{key}-leave")


def _spent(ledger: list[dict[str, Any]]) -> int:
    """What the sessions' own transactions took out of wallets, the guests' among them."""
    return -sum(
        entry["amount_minor"]
        for one in ledger
        if one["session_id"] is not None
        for entry in one["entries"]
        if entry["account"].startswith("EUR:wallet:")
    )
