"""Fifty clients at once, two clubs, one wallet: every charge exact, its limit never crossed.

The books are replayed transaction by transaction, and what time cost is worked out once more
from when each session was played where.
"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clubs_under_test import CHAIN, CLUBS, wallet_of
from two_clubs_under_test import TwoClubs, two_clubs

from controller.api import models, receipt_models
from controller.client import ClubctlClient, ProblemError
from controller.verify import verify

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CLIENTS = 50
ROUNDS = 3
SPEED = 120.0
_A_MINUTE = timedelta(minutes=1)
PRICE_A_MINUTE = {"main": 200, "vip": 400}
"""Minor units, by zone, of the tariff that everybody plays on."""
REFUSALS = frozenset({"insufficient-funds", "session-finished"})
"""What a scarce wallet is told. Anything else is a failure."""
WALLETS = ("EUR:wallet:ann:cash", "EUR:wallet:ann:bonus")


class Customer:
    """One of the clients: it keeps to a PC of its own and pays from the wallet all share."""

    def __init__(self, client: ClubctlClient, number: int) -> None:
        self._client = client
        self._number = number
        self._luck = Random(number)
        self.club = CLUBS[number % len(CLUBS)]
        zone = ("main", "vip")[number // 2 % 2]
        self.pc_id = f"{self.club}-{zone}-{number // 4}"
        self.paid_in_minor = 0
        self.sessions: list[str] = []
        self.refused: Counter[str] = Counter()

    async def live(self) -> None:
        for round_number in range(ROUNDS):
            key = f"c{self._number}-{round_number}"
            await self._pay_in(key)
            session = await self._or_refused(self._start(key))
            if session is None:
                continue
            self.sessions.append(session.session_id)
            await asyncio.sleep(self._luck.uniform(0, 1.5))
            if self._luck.random() < 0.3:
                await self._or_refused(
                    self._client.extend_session(
                        session.session_id, key=f"{key}-extend", tariff_id="block"
                    )
                )
            await self._or_refused(self._client.end_session(session.session_id, key=f"{key}-end"))

    async def _pay_in(self, key: str) -> None:
        amount_minor = self._luck.randint(1_00, 30_00)
        await self._client.top_up_wallet(
            self.club, "ann", key=f"{key}-top-up", amount_minor=amount_minor
        )
        self.paid_in_minor += amount_minor

    async def _start(self, key: str) -> models.Session:
        return await self._client.create_session(
            self.club,
            key=f"{key}-create",
            pc_id=self.pc_id,
            player_id="ann",
            tariff_id="standard",
            start=True,
        )

    async def _or_refused(self, asked: Any) -> Any:
        try:
            return await asked
        except ProblemError as problem:
            if problem.code not in REFUSALS:
                raise
            self.refused[problem.code] += 1
            return None


@pytest.mark.parametrize("limit_minor", [0, 150_00])
async def test_fifty_clients_two_clubs_one_wallet(tmp_path: Path, limit_minor: int) -> None:
    async with two_clubs(tmp_path / "state", speed=SPEED, pcs_per_zone=13) as chain:
        await _limited(chain, limit_minor)
        async with chain.client(chain.addresses[0]) as one, chain.client(chain.addresses[1]) as two:
            customers = [Customer((one, two)[n // 4 % 2], n) for n in range(CLIENTS)]
            await asyncio.gather(*(each.live() for each in customers))
            sessions = [id_ for each in customers for id_ in each.sessions]
            receipts = {id_: await one.get_receipt(id_) for id_ in sessions}
            ended = [await two.get_session(id_) for id_ in sessions]
        ledger = await chain.transactions()
        paid_in_minor = sum(each.paid_in_minor for each in customers)

        _the_limit_was_needed_and_held(ledger, limit_minor)
        _each_charge_is_exact(ended)
        _receipts_are_the_ledger(receipts, ledger)
        spent_minor = sum(receipt.total.amount_minor for receipt in receipts.values())
        assert await wallet_of(chain.store, "ann") == (paid_in_minor - spent_minor, 0)
        _one_top_up_for_each_command(ledger, paid_in_minor)
        _both_clubs_were_played_in_at_once(ended)
        report = await verify(chain.store, None)
        assert report.ok, report.rows
        await _nothing_is_left_behind(chain)


async def _limited(chain: TwoClubs, limit_minor: int) -> None:
    """Staff says how far below nothing the wallet may go, before anybody plays."""
    asked = [{"amountMinor": limit_minor, "currency": "EUR"}]
    async with chain.client(chain.addresses[0]) as staff:
        await staff.update_player("ann", key="limit", credit_limits=asked, if_match="*")


def _the_limit_was_needed_and_held(ledger: list[dict[str, Any]], limit_minor: int) -> None:
    """After each transaction, which sums to zero, bonus is there and cash above the limit; with
    credit some was taken, else this would prove nothing."""
    held, lowest_minor = Counter[str](), 0
    cash, bonus = WALLETS
    for transaction in ledger:
        assert sum(entry["amount_minor"] for entry in transaction["entries"]) == 0
        for entry in transaction["entries"]:
            held[entry["account"]] += entry["amount_minor"]
        assert held[bonus] >= 0
        lowest_minor = min(lowest_minor, held[cash])
    assert -limit_minor <= lowest_minor
    assert (lowest_minor < 0) is (limit_minor > 0)


def _each_charge_is_exact(sessions: list[models.Session]) -> None:
    """A minute that has begun is paid, at its zone's price; so much and no more."""
    minutes = 0
    for session in sessions:
        for segment in session.segments:
            if segment.tariff_id != "standard" or segment.actual_end_at is None:
                continue
            assert segment.actual_start_at is not None
            played = datetime.fromisoformat(segment.actual_end_at) - datetime.fromisoformat(
                segment.actual_start_at
            )
            begun = -(-played // _A_MINUTE)
            price_minor = PRICE_A_MINUTE[segment.zone_id.partition("-")[2]]
            assert segment.amount.amount_minor == begun * price_minor, segment
            minutes += begun
    assert minutes > CLIENTS


def _receipts_are_the_ledger(
    receipts: dict[str, receipt_models.Receipt], ledger: list[dict[str, Any]]
) -> None:
    taken = Counter[str]()
    for transaction in ledger:
        if transaction["session_id"] is not None:
            for entry in transaction["entries"]:
                if entry["account"] in WALLETS:
                    taken[transaction["session_id"]] -= entry["amount_minor"]
    told = {id_: receipt.total.amount_minor for id_, receipt in receipts.items()}
    assert {id_: minor for id_, minor in taken.items() if minor} == {
        id_: minor for id_, minor in told.items() if minor
    }


def _one_top_up_for_each_command(ledger: list[dict[str, Any]], paid_in_minor: int) -> None:
    top_ups = [one for one in ledger if one["kind"] == "top_up"]
    assert len(top_ups) == len({one["id"] for one in top_ups}) == CLIENTS * ROUNDS
    amounts = [
        entry["amount_minor"]
        for one in top_ups
        for entry in one["entries"]
        if entry["account"] in WALLETS
    ]
    assert sum(amounts) == paid_in_minor


def _both_clubs_were_played_in_at_once(sessions: list[models.Session]) -> None:
    stretches = {
        club: [
            (session.actual_start_at, session.actual_end_at)
            for session in sessions
            if session.club_id == club and session.actual_start_at and session.actual_end_at
        ]
        for club in CLUBS
    }
    assert any(
        my_start < other_end and other_start < my_end
        for my_start, my_end in stretches[CLUBS[0]]
        for other_start, other_end in stretches[CLUBS[1]]
    )


async def _nothing_is_left_behind(chain: TwoClubs) -> None:
    """No session runs, none holds a claim, and no PC shows one."""
    assert await chain.store.all_claims(CHAIN) == {}
    for club in CLUBS:
        assert await chain.store.sessions_of_club(CHAIN, club) == ()
        _, tiles = await chain.store.hall(CHAIN, club)
        assert not [tile for tile in tiles.values() if b'"session_id":"' in tile]
