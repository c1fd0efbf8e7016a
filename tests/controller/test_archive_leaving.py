"""Orders and the audit leave the store for the archive, and what is asked for again comes back."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.config import Config
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest
from sqlalchemy import create_engine, text

import controller.archive
from actors.orders import read_orders
from actors.store import ChainStream
from actors.store_memory import MemoryStore
from billing_core.player_tariff import (
    FINISHED_KEPT,
    PlayerTariff,
    PlayerTariffStatus,
    without_long_finished,
)
from billing_core.tariff import TariffRef
from controller.archive import Archive, ArchiveConsumer, audit_rows, open_archive, order_rows
from controller.archive import consumer as consumer_module
from controller.archive.audit_rows import AuditFilter
from controller.archive.consumer import DROP_ORDERS_EVERY_STEPS
from controller.verify import verify
from schemas.commands import (
    CreateOrder,
    CreateSession,
    EndSession,
    OrderMeans,
    OrderPayment,
    PaymentMode,
    ReplyStatus,
    TopUpWallet,
)

DAY_MINUTES = 24 * 60
MIGRATIONS = Path(controller.archive.__file__).parent / "migrations"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    yield opened
    opened.close()


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    paid = (OrderPayment(means=OrderMeans.CASH, amount_minor=200_00),)
    for asked in (
        TopUpWallet(player_id="ann", amount_minor=50_00),
        CreateOrder(order_id="paid", player_id="ann", tariff_ids=("block",), payments=paid),
        CreateOrder(order_id="open", player_id="ann", tariff_ids=("block",)),
        CreateSession(
            session_id="s1",
            pc_id="north-main-0",
            player_id="bob",
            tariff_id="standard",
            mode=PaymentMode.OPEN_ENDED,
            start=True,
        ),
    ):
        assert (await shard.command(asked)).status is ReplyStatus.OK
    await shard.wait(minutes=3)
    assert (await shard.command(EndSession(session_id="s1"))).status is ReplyStatus.OK
    return shard


async def test_orders_are_archived_as_they_change(shard: ShardUnderTest, archive: Archive) -> None:
    consumer = ArchiveConsumer(shard.store, archive, shard.clock)
    await consumer.step()
    ids = ["open", "paid", "s1"]
    assert await archive.look(order_rows.versions, CHAIN, ids) == {"open": 1, "paid": 2, "s1": 1}
    known = await read_orders(shard.store, CHAIN, ids)
    for order_id in ids:
        document = await archive.look(order_rows.order, CHAIN, order_id)
        assert document == orjson.dumps(known[order_id].order)
    assert (await archive.look(order_rows.order, CHAIN, "nobody")) is None


async def test_sessions_of_the_shape_before_get_what_lists_sort_by(
    shard: ShardUnderTest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'older.db'}"
    archive = open_archive(url)
    await ArchiveConsumer(shard.store, archive, shard.clock).step()
    archive.close()
    engine = create_engine(url)
    columns = "SELECT tariff_id, start_at_ms, end_at_ms, played_ms FROM sessions"
    with engine.begin() as connection:
        before = connection.execute(text(columns)).all()
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "v0004")
        command.upgrade(config, "v0005")
        assert connection.execute(text(columns)).all() == before
    engine.dispose()
    assert before == [("standard", *before[0][1:3], 3 * 60_000)]


async def test_orders_that_lie_still_for_a_day_leave_the_store(
    shard: ShardUnderTest, archive: Archive
) -> None:
    consumer = ArchiveConsumer(shard.store, archive, shard.clock)
    for _ in range(DROP_ORDERS_EVERY_STEPS):
        await consumer.step()
    assert len(await shard.store.documents_by_prefix(CHAIN, "order:")) == 3
    await shard.wait(minutes=DAY_MINUTES + 5)
    await consumer.step()
    assert await shard.store.documents_by_prefix(CHAIN, "order:") == ()
    report = await verify(shard.store, archive)
    assert report.ok, report.rows


async def test_the_audit_is_archived_once_and_old_entries_leave_the_store(
    shard: ShardUnderTest, archive: Archive
) -> None:
    consumer = ArchiveConsumer(shard.store, archive, shard.clock)
    await consumer.step()
    await consumer.step()
    told = list(reversed(await shard.store.audit(CHAIN)))
    page = await archive.look(
        audit_rows.audit_page, CHAIN, AuditFilter(club_id="north"), before=None, count=3
    )
    assert page == list(reversed(told))[:3]
    rest = await archive.look(
        audit_rows.audit_page, CHAIN, AuditFilter(), before=page[-1].entry_id, count=100
    )
    assert [*page, *rest] == list(reversed(told))
    assert (
        await archive.look(
            audit_rows.audit_page, CHAIN, AuditFilter(club_id="x"), before=None, count=3
        )
        == []
    )
    assert await shard.store.trim_audit(CHAIN, before=told[-1].entry_id) == len(told) - 1
    assert await shard.store.audit(CHAIN) == (told[-1],)


async def test_a_closed_session_comes_back_to_where_hosts_read_it(shard: ShardUnderTest) -> None:
    store = shard.store
    (closed,) = await store.closed_sessions(CHAIN)
    await store.drop_closed(CHAIN, {"s1": closed.version}, behind={})
    assert await store.session(CHAIN, "s1") is None
    await store.bring_back(CHAIN, "north", closed)
    found = await store.session(CHAIN, "s1")
    assert found is not None
    assert (found.version, found.blob) == (closed.version, closed.blob)
    assert await store.stream(CHAIN, ChainStream.LEDGER, count=1)


def test_a_holder_keeps_what_is_open_and_the_newest_of_what_is_not() -> None:
    def owned(number: int, status: PlayerTariffStatus) -> PlayerTariff:
        return PlayerTariff(
            f"pt-{number}", TariffRef("t", 1), "ann", "north", number, 100, status=status
        )

    first = owned(0, PlayerTariffStatus.OPEN)
    finished = [owned(n, PlayerTariffStatus.USED_UP) for n in range(1, FINISHED_KEPT + 4)]
    assert without_long_finished([first, *finished]) == (first, *finished[3:])
    assert without_long_finished([first, *finished[3:]]) == (first, *finished[3:])


async def test_no_session_leaves_a_store_that_went_back_unnoticed(
    shard: ShardUnderTest, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is about to set aside what it holds of the session, with the lost past."""
    monkeypatch.setattr(consumer_module, "SWEEP_EVERY_STEPS", 1)
    consumer = ArchiveConsumer(shard.store, archive, shard.clock, closed_kept_ms=0)
    await consumer.step()
    await shard.wait(minutes=1)
    ledger = shard.store._server.chain(CHAIN).streams[ChainStream.LEDGER].entries
    newest = max(ledger)
    follow = ArchiveConsumer._follow

    async def goes_back_afterwards(
        follower: ArchiveConsumer, chain_id: str, stream: ChainStream
    ) -> int:
        moved = await follow(follower, chain_id, stream)
        ledger.pop(newest, None)
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveConsumer, "_follow", goes_back_afterwards)
        await consumer.step()
    assert await shard.store.closed_ids(CHAIN) == ("s1",)
    for _ in range(2):
        await consumer.step()
    assert await shard.store.closed_ids(CHAIN) == ()
    assert [one.key for one in await archive.sessions(CHAIN)] == ["s1"]
