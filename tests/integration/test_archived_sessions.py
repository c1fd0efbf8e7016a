"""A session that has moved to the archive is still shown, with its receipt."""

from dataclasses import replace
from pathlib import Path

from api_under_test import ScriptedGateway, dependencies
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from controller.api.principal import Principal
from controller.api.sessions import shown_receipt, shown_session, stored_session
from controller.archive import ArchiveConsumer, open_archive
from schemas.commands import CreateSession, EndSession, TopUpWallet


async def test_a_session_the_store_has_let_go_is_found_in_the_archive(tmp_path: Path) -> None:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.command(TopUpWallet(player_id="ann", amount_minor=10_00))
    begun = CreateSession(
        session_id="s1", pc_id="north-main-0", tariff_id="standard", player_id="ann", start=True
    )
    await shard.command(begun)
    await shard.wait(minutes=2)
    await shard.command(EndSession(session_id="s1"))

    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    try:
        await ArchiveConsumer(store, archive, shard.clock, closed_kept_ms=0).step()
        shard.clock.advance(60_000)
        await ArchiveConsumer(store, archive, shard.clock, closed_kept_ms=0).step()
        assert await store.session(CHAIN, "s1") is None, "the store has let it go"

        given = replace(dependencies(store, ScriptedGateway()), archived=archive)
        stored = await stored_session(given, Principal(CHAIN, "desk"), "s1")
        session = shown_session(stored, {})
        receipt = shown_receipt(stored)
        assert session is not None
        assert session.status == "ENDED"
        assert session.segments[0].tariff_name == "Standard"
        assert receipt is not None
        assert receipt.total_minor == session.amount_minor == 2 * 2_00
        assert await stored_session(given, Principal("elsewhere", "desk"), "s1") is None
    finally:
        archive.close()
