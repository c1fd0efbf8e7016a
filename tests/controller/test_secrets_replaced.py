"""A secret is replaced at once: what that means for whoever holds a copy, and for who is late."""

import random

import pytest

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from controller.broker.access import KnownPc
from controller.broker.follow import known_pcs
from controller.enrolment.office import CodeWish, EnrolmentOffice, IssuedCode, Place
from controller.enrolment.renewal import TWICE_WITHIN_MS, TWO_HOLD_IT
from schemas.catalogue import ClubDocument, PcDocument
from schemas.enrolment import (
    RENEW_WITHIN_MS,
    CredentialState,
    EnrolmentRequest,
    PcCredential,
    RefreshRequest,
)

NOW_MS = 1_800_000_000_000
CHAIN, CLUB, PC = "chain-a", "arena", "pc1"
DESK = Place(CHAIN, CLUB, "staff:vera", "10.0.0.1")


class Hall:
    """A club whose one PC was enrolled with the secret ``old``."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock(NOW_MS)
        self.office = EnrolmentOffice(self.store, self.clock, random.Random(1).randbytes)

    async def open(self) -> "Hall":
        club = ClubDocument(club_id=CLUB, name="Arena", timezone="UTC", currency="EUR")
        pc = PcDocument(pc_id=PC, club_id=CLUB, zone_id="main", name="PC 1")
        documents = {f"club:{CLUB}": club, f"pc:{PC}": pc}
        await self.store.put(CHAIN, {k: v.model_dump_json().encode() for k, v in documents.items()})
        issued = await self.office.issue(DESK, CodeWish("code", pc_id=PC))
        assert isinstance(issued, IssuedCode)
        asked = EnrolmentRequest(code=issued.text, secret=secret_of("old"))
        await self.office.admit(asked, "10.0.0.7")
        return self

    async def asks(self, shown: str, new: str | None = None) -> bool:
        """Whether the API knows whoever shows this secret."""
        request = RefreshRequest(
            club_id=CLUB,
            pc_id=PC,
            secret=secret_of(shown),
            new_secret=None if new is None else secret_of(new),
        )
        return await self.office.refresh(request) is not None

    async def credential(self) -> PcCredential:
        return (await self.office.book(DESK)).credentials[PC]

    async def let_in(self) -> tuple[KnownPc, ...]:
        return await known_pcs(self.store)

    async def audited(self, operation: str) -> int:
        entries = [entry.payload.decode() for entry in await self.store.audit(CHAIN)]
        return sum(f'"{operation}"' in entry for entry in entries)


def secret_of(name: str) -> str:
    return name.ljust(43, "_")


@pytest.fixture
async def hall() -> Hall:
    return await Hall().open()


async def test_two_who_replace_one_secret_are_both_shut_out(hall: Hall) -> None:
    assert await hall.asks("old", "thieves")
    assert not await hall.asks("old", "own")
    shut = await hall.credential()
    assert (shut.state, shut.changed_by) == (CredentialState.QUARANTINED, TWO_HOLD_IT)
    assert not await hall.asks("thieves")
    assert await hall.let_in() == ()
    assert await hall.audited("quarantined_pc") == 1


async def test_the_old_secret_alone_shuts_nobody_out(hall: Hall) -> None:
    """A look that crossed a renewal on its way shows it too."""
    await hall.asks("old", "new")
    assert not await hall.asks("old")
    assert await hall.asks("new")
    assert await hall.asks("old", "new"), "the answer was lost, the request is the same"


async def test_a_secret_that_never_was_shuts_nobody_out(hall: Hall) -> None:
    await hall.asks("old", "new")
    assert not await hall.asks("guess", "mine")
    assert await hall.asks("new", "newer")
    assert not await hall.asks("old", "mine"), "two renewals ago is nobody's secret"
    assert await hall.asks("newer")


async def test_after_a_day_an_old_secret_is_just_a_wrong_one(hall: Hall) -> None:
    await hall.asks("old", "new")
    hall.clock.advance(TWICE_WITHIN_MS)
    assert not await hall.asks("old", "mine")
    assert await hall.asks("new")


async def test_who_draws_no_new_secret_in_time_is_shut_out(hall: Hall) -> None:
    await hall.office.rotate(DESK, PC)
    hall.clock.advance(RENEW_WITHIN_MS - 1)
    assert await hall.office.revoke_overdue() == 0
    assert await hall.asks("old")
    hall.clock.advance(1)
    assert not await hall.asks("old", "new"), "refused before the broker's keeper has looked"
    assert await hall.office.revoke_overdue() == 1
    assert (await hall.credential()).state is CredentialState.REVOKED
    assert await hall.let_in() == ()
    assert await hall.office.revoke_overdue() == 0


async def test_asking_for_it_again_gives_the_old_secret_no_more_time(hall: Hall) -> None:
    await hall.office.rotate(DESK, PC)
    due_ms = (await hall.credential()).renew_by_ms
    hall.clock.advance(3_600_000)
    await hall.office.rotate(DESK, PC)
    assert (await hall.credential()).renew_by_ms == due_ms


async def test_who_has_drawn_it_is_never_late(hall: Hall) -> None:
    await hall.office.rotate(DESK, PC)
    assert await hall.asks("old", "new")
    hall.clock.advance(10 * RENEW_WITHIN_MS)
    assert await hall.office.revoke_overdue() == 0
    assert await hall.asks("new")
