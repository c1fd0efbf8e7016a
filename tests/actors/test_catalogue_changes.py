"""What is configured anew reaches running sessions: players, PCs, zones, tariffs."""

import orjson
import pytest
from clubs_under_test import CHAIN, PER_MINUTE, next_version, seed, wallet_of
from shard_under_test import ShardUnderTest

from actors.store import CatalogueEdit, EntityWrite, Scope
from actors.store_memory import MemoryStore
from actors.turn import PlayerInput
from billing_core.tariff import PriceRule, Tier
from schemas.catalogue import (
    PcAdministrativeState,
    PcDocument,
    PlayerDocument,
    ZoneDocument,
)
from schemas.commands import (
    CommandReply,
    CreateSession,
    EndSession,
    ReplyStatus,
    StartSession,
    TopUpWallet,
)
from schemas.device import PcMode
from schemas.views import HallTile


async def opened(**club_terms: object) -> ShardUnderTest:
    store = MemoryStore()
    await seed(store, club_terms=club_terms)
    shard = await ShardUnderTest(store).take()
    await ok(shard.command(TopUpWallet(player_id="ann", amount_minor=1_000_00)))
    return shard


async def ok(answer: object) -> CommandReply:
    reply = await answer  # type: ignore[misc]
    assert reply.status is ReplyStatus.OK, reply
    return reply  # type: ignore[no-any-return]


def creation(session_id: str = "s1", **changes: object) -> CreateSession:
    base = {"pc_id": "north-main-0", "tariff_id": "standard", "player_id": "ann", "start": True}
    return CreateSession(session_id=session_id, **(base | changes))  # type: ignore[arg-type]


async def put(shard: ShardUnderTest, **fields: bytes) -> None:
    """Configure anew; names have ``__`` for ``:`` and ``_`` for ``-``."""
    named = {name.replace("__", ":").replace("_", "-"): raw for name, raw in fields.items()}
    await shard.store.put(CHAIN, named)
    shard.runtime.replace_catalogue(await shard.store.catalogue(CHAIN), shard.now)
    await shard.turn()


def retired(
    pc_id: str = "north-main-0", state: PcAdministrativeState = PcAdministrativeState.RETIRED
) -> bytes:
    document = PcDocument(
        pc_id=pc_id, club_id="north", zone_id="north-main", name="main0", state=state
    )
    return document.model_dump_json().encode()


async def edit_ann(shard: ShardUnderTest, **changes: object) -> None:
    stored = (await shard.store.documents(CHAIN, ["player:ann"]))["player:ann"]
    document = PlayerDocument.model_validate_json(stored.blob).model_copy(update=changes)
    blob = document.model_dump_json().encode()
    write = EntityWrite("player:ann", stored.version, blob, Scope.CHAIN)
    outcome = await shard.store.edit(CHAIN, CatalogueEdit(documents=(write,)))
    assert outcome.status == "applied"


async def test_a_retired_pc_ends_what_runs_on_it_and_stays_locked() -> None:
    shard = await opened()
    await ok(shard.command(creation()))
    await shard.wait(minutes=2, seconds=30)
    await put(shard, pc__north_main_0=retired())
    closed = await shard.store.session(CHAIN, "s1")
    assert closed is not None
    state = orjson.loads(closed.blob)["state"]
    assert (state["status"], state["ended_reason"]) == ("ENDED", "DeviceRetired")
    assert shard.documents["north-main-0"].mode is PcMode.LOCKED
    assert (await wallet_of(shard.store, "ann"))[0] == 1_000_00 - 3 * 2_00
    again = await shard.command(creation("s2"))
    assert (again.code, again.field) == ("pc-retired", "pc_id")


async def test_a_booking_of_a_retired_pc_is_cancelled() -> None:
    shard = await opened()
    at_ms = shard.now.wall_ms + 3_600_000
    await ok(shard.command(creation(start=False, planned_start_at_ms=at_ms)))
    await put(shard, pc__north_main_0=retired())
    closed = await shard.store.session(CHAIN, "s1")
    assert closed is not None
    assert orjson.loads(closed.blob)["state"]["status"] == "CANCELLED"
    refused = await shard.command(StartSession(session_id="s1"))
    assert refused.code == "session-finished"


async def test_a_host_that_takes_over_finds_the_retired_pcs_session() -> None:
    shard = await opened()
    await ok(shard.command(creation()))
    await shard.store.put(CHAIN, {"pc:north-main-0": retired()})
    after = await ShardUnderTest(shard.store, clock=shard.clock).take("h1")
    assert await after.store.all_claims(CHAIN) == {}
    assert after.documents["north-main-0"].mode is PcMode.LOCKED


async def test_the_hall_is_told_of_a_pc_that_was_retired_and_of_its_return() -> None:
    shard = await opened()
    for raw, gone in ((retired(), True), (retired(state=PcAdministrativeState.IN_SERVICE), False)):
        await put(shard, pc__north_main_0=raw)
        _, tiles = await shard.store.hall(CHAIN, "north")
        assert HallTile.model_validate_json(tiles["north-main-0"]).retired is gone


async def test_a_running_session_keeps_its_version_and_the_next_one_takes_the_new() -> None:
    shard = await opened(allows_parallel_sessions=True)
    await ok(shard.command(creation()))
    dearer = next_version(PER_MINUTE, prices=(PriceRule("dear", tiers=(Tier(0, 600_00),)),))
    await shard.wait(seconds=1)
    await put(shard, tariff__standard__2=orjson.dumps(dearer))
    await ok(shard.command(creation("s2", pc_id="north-main-1")))
    await shard.wait(minutes=2, seconds=30)
    for session_id, minor in (("s1", 3 * 2_00), ("s2", 3 * 10_00)):
        await ok(shard.command(EndSession(session_id=session_id)))
        closed = await shard.store.session(CHAIN, session_id)
        assert closed is not None
        assert orjson.loads(closed.blob)["receipt"]["total_minor"] == minor


async def test_a_players_new_label_is_on_the_screen_and_in_the_hall() -> None:
    shard = await opened()
    await ok(shard.command(creation()))
    await edit_ann(shard, label="Ann B.")
    await shard.turn(PlayerInput("ann"))
    assert shard.documents["north-main-0"].player_label == "Ann B."
    _, tiles = await shard.store.hall(CHAIN, "north")
    assert orjson.loads(tiles["north-main-0"])["player_label"] == "Ann B."


async def test_auto_renewal_switched_on_while_playing_is_obeyed() -> None:
    shard = await opened(renews_from_wallet=True)
    zone = ZoneDocument(
        zone_id="north-main", club_id="north", name="Main", default_tariff_id="standard"
    )
    await put(shard, zone__north_main=zone.model_dump_json().encode())
    await ok(shard.command(creation(tariff_id="block")))
    await edit_ann(shard, auto_renewal=True)
    await shard.turn(PlayerInput("ann"))
    await shard.wait(minutes=121)
    running = await shard.store.session(CHAIN, "s1")
    assert running is not None
    assert orjson.loads(running.blob)["status"] == "STARTED"


@pytest.mark.parametrize(
    ("terms", "code"),
    [({"opening": {"closed_dates": ["2027-01-15"]}}, "zone-closed")],
)
async def test_limits_of_a_zone_are_asked(terms: dict[str, object], code: str) -> None:
    shard = await opened()
    zone = ZoneDocument(zone_id="north-main", club_id="north", name="Main", terms=terms)
    await put(shard, zone__north_main=zone.model_dump_json().encode())
    assert (await shard.command(creation())).code == code


async def test_the_longest_session_of_a_zone_ends_its_coverage() -> None:
    shard = await opened()
    zone = ZoneDocument(
        zone_id="north-main",
        club_id="north",
        name="Main",
        terms={"longest_session_minutes": 30},
    )
    await put(shard, zone__north_main=zone.model_dump_json().encode())
    await ok(shard.command(creation()))
    stored = await shard.store.session(CHAIN, "s1")
    assert stored is not None
    coverage = orjson.loads(stored.blob)["coverage"]
    assert coverage["cause"] == "ZONE_LIMIT"
    assert coverage["until_ms"] == shard.now.wall_ms + 30 * 60_000
