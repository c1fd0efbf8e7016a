"""Corners where two things meet: a refused decision, a changed catalogue, a shared wallet."""

from dataclasses import replace

from clubs_under_test import CHAIN, catalogue, seed, wallet_of
from shard_under_test import START_AT_MS, ShardUnderTest

from actors.clock import ManualClock
from actors.store import session_key
from actors.store_memory import MemoryStore
from actors.turn import PublishDesired, WalletInput
from actors.wallets import WalletKey
from actors.workspace import pc_key
from billing_core.session import SessionState
from billing_core.wallet import Wallet
from schemas.catalogue import PcDocument
from schemas.commands import (
    CreateSession,
    EndSession,
    ReplyStatus,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import PcMode
from schemas.views import LinkState

ANN = WalletKey("EUR", "ann")


async def opened(*, pcs_per_zone: int = 2, **club_terms: object) -> ShardUnderTest:
    store = MemoryStore()
    await seed(store, pcs_per_zone=pcs_per_zone, club_terms=club_terms)
    shard = await ShardUnderTest(store).take()
    await shard.beat()
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=1_000_00))
    return shard


async def ok(shard: ShardUnderTest, command: object) -> None:
    reply = await shard.command(command)  # type: ignore[arg-type]
    assert reply.status is ReplyStatus.OK, reply


def creation(session_id: str = "s1", **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "session_id": session_id,
        "pc_id": "north-main-0",
        "tariff_id": "standard",
        "player_id": "ann",
        "start": True,
    }
    return CreateSession.model_validate(fields | changes)


async def test_a_session_started_just_before_its_time_is_billed_on() -> None:
    shard = await opened()
    await ok(shard, creation(start=False, planned_start_at_ms=START_AT_MS + 600_000))
    await shard.wait(seconds=570)
    await ok(shard, StartSession(session_id="s1"))
    await shard.wait(minutes=60)
    assert await wallet_of(shard.store, "ann") == (1_000_00 - 60 * 2_00, 0)


async def test_a_seat_opens_although_its_first_opening_was_refused() -> None:
    shard = await opened()
    await ok(shard, creation())
    await shard.beat()
    await ok(shard, SwitchSessionDevice(session_id="s1", pc_id="north-main-1"))
    other = await ShardUnderTest(shard.store, club_id="south", clock=shard.clock).take()
    await ok(other, TopUpWallet(player_id="ann", amount_minor=1_00))
    await shard.beat("north-main-0")
    await shard.wait(seconds=10)
    assert shard.documents["north-main-1"].mode is PcMode.UNLOCKED


async def test_a_document_is_not_said_before_it_is_committed() -> None:
    shard = await opened()
    await ok(shard, creation())
    wallet = shard.runtime.memory.wallets[ANN]
    richer = WalletInput(ANN, wallet.changed(500_00, 0))
    turn = shard.runtime.turn([richer, shard.heard("north-main-0")], shard.now)
    assert turn.drafts, "the wallet changes the PC's target"
    assert [effect for effect in turn.immediate if isinstance(effect, PublishDesired)] == []


async def test_a_claim_is_released_although_the_club_has_changed_its_mind() -> None:
    shard = await opened()
    await ok(shard, creation())
    changed = catalogue(2, club_terms={"allows_parallel_sessions": True})
    await shard.store.put(CHAIN, {"club:north": changed["club:north"]})
    shard.runtime.replace_catalogue(await shard.store.catalogue(CHAIN), shard.now)
    await ok(shard, EndSession(session_id="s1"))
    assert await shard.store.all_claims(CHAIN) == {}


async def move_pc_away(shard: ShardUnderTest) -> None:
    moved = PcDocument(pc_id="north-main-0", club_id="south", zone_id="south-main", name="x")
    await shard.store.put(CHAIN, {"pc:north-main-0": moved.model_dump_json().encode()})
    shard.runtime.replace_catalogue(await shard.store.catalogue(CHAIN), shard.now)


async def test_a_session_ends_although_its_pc_has_moved_to_another_club() -> None:
    shard = await opened()
    await ok(shard, creation())
    await move_pc_away(shard)
    await ok(shard, EndSession(session_id="s1"))


async def test_one_session_that_fails_costs_the_players_other_one_nothing() -> None:
    shard = await opened(allows_parallel_sessions=True)
    await ok(shard, creation())
    await ok(shard, creation("s2", pc_id="north-main-1"))
    poison(shard, "s2")
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=1_00))
    await shard.wait(minutes=3)
    assert await wallet_of(shard.store, "ann") == (1_001_00 - 2_00 - 3 * 2_00, 0)


def poison(shard: ShardUnderTest, session_id: str) -> None:
    """Break a session in memory as no stored one is: its club is unknown."""
    key = session_key(session_id)
    entity = shard.runtime.memory.entities[key]
    assert isinstance(entity.state, SessionState)
    spoiled = replace(entity.state, club_id="gone")
    shard.runtime.memory.install(key, replace(entity, state=spoiled))


async def test_guests_leave_nothing_behind_in_memory() -> None:
    shard = await opened()
    for number in range(5):
        await ok(shard, creation(f"g{number}", player_id=None, paid_minor=2_00))
        await ok(shard, EndSession(session_id=f"g{number}"))
    memory = shard.runtime.memory
    assert not [key for key in memory.wallets if key.holder_id.startswith("guest-")]
    assert not [holder for holder in memory.holders if holder.startswith("guest-")]


async def test_an_outage_ends_by_age_and_the_silent_are_judged_alone() -> None:
    shard = await opened(pcs_per_zone=5)
    alive = [f"north-main-{number}" for number in range(3)]
    await shard.wait(seconds=30)
    for _ in range(36):
        shard.clock.advance(1_000)
        await shard.turn(*[shard.heard(pc_id) for pc_id in alive])
    club = shard.runtime.clubs["north"]
    assert club.outage_since_ms is not None
    for _ in range(130):
        shard.clock.advance(5_000)
        await shard.turn(*[shard.heard(pc_id) for pc_id in alive])
    assert club.outage_since_ms is None
    assert club.pcs["north-vip-4"].presence.link is LinkState.NOT_RESPONDING


async def test_a_pc_stays_open_through_grace_and_locks_at_its_end() -> None:
    store = MemoryStore()
    await seed(store, club_terms={"grace_seconds": 30})
    shard = await ShardUnderTest(store, clock=ManualClock(START_AT_MS, 1_000_000)).take()
    await shard.beat()
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=2_00))
    await ok(shard, creation())
    await shard.wait(seconds=70)
    document = shard.documents["north-main-0"]
    assert document.mode is PcMode.UNLOCKED
    assert document.lease is not None
    assert document.lease.hard_stop_at_ms == START_AT_MS + 90_000
    await shard.wait(seconds=30)
    assert shard.documents["north-main-0"].mode is PcMode.LOCKED
    assert await wallet_of(store, "ann") == (0, 0)


async def test_a_session_that_cannot_be_billed_gets_no_further_grant() -> None:
    shard = await opened()
    await ok(shard, creation())
    before = shard.documents["north-main-0"].lease
    poison(shard, "s1")
    await shard.wait(minutes=2)
    assert session_key("s1") in shard.runtime.quarantine.parked
    await shard.wait(minutes=25)
    lease = shard.documents["north-main-0"].lease
    assert before is not None
    assert lease is not None
    assert lease.hard_stop_at_ms == before.hard_stop_at_ms
    assert pc_key("north-main-0") not in shard.runtime.quarantine.parked


async def test_an_empty_wallet_is_never_taken_for_an_unknown_one() -> None:
    shard = await opened()
    await ok(shard, creation())
    shard.runtime.memory.wallets[ANN] = Wallet()
    await shard.wait(minutes=2)
    assert await wallet_of(shard.store, "ann") == (1_000_00 - 2 * 2_00, 0)
