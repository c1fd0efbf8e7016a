"""A unit the store cannot take costs its own entity; every command beside it is answered once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from loop_under_test import LoopUnderTest, running
from stores_under_test import running_server, tell

from actors.quarantine import PARKED_RETRY_MS
from actors.store import MAX_AMOUNT_MINOR, CommitResult, Ownership, StoreError, Unit, session_key
from actors.store_keys import ChainKeys
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore
from schemas.commands import CreateSession, HoldPc, ReplyStatus, TopUpWallet

Bad = Callable[[Unit], bool]


class Picky(MemoryStore):
    """A store that fails whenever a batch has a unit of a certain kind."""

    bad: Bad = staticmethod(lambda _unit: False)
    batches = 0

    async def commit(self, ownership: Ownership, seq: int, units: Sequence[Unit]) -> CommitResult:
        self.batches += 1
        if any(self.bad(unit) for unit in units):
            raise StoreError("ERR no such thing")
        return await super().commit(ownership, seq, units)


def bills(session_id: str) -> Bad:
    return lambda unit: any(b"step/%b/" % session_id.encode() in one for one in unit.transactions)


def answers(key: str) -> Bad:
    return lambda unit: unit.idempotency is not None and unit.idempotency.key == key


def by_card(player_id: str, amount_minor: int) -> TopUpWallet:
    asked = {"player_id": player_id, "amount_minor": amount_minor, "means": "card"}
    return TopUpWallet.model_validate(asked)


async def two_play(rig: LoopUnderTest) -> None:
    for number, name in enumerate(("ann", "bob")):
        top_up = TopUpWallet(player_id=name, amount_minor=900_00)
        sits = CreateSession(
            session_id=f"s{number}",
            pc_id=f"north-main-{number}",
            player_id=name,
            tariff_id="standard",
            start=True,
        )
        for reply in await rig.ask(top_up, sits):
            assert reply.status is ReplyStatus.OK, reply


async def test_a_tick_the_store_fails_on_is_parked_and_its_neighbour_billed_on_time() -> None:
    store = Picky()
    await seed(store)
    async with running(store) as rig:
        await two_play(rig)
        store.bad = bills("s0")
        for minute in range(12):
            await rig.minutes(1)
            assert await rig.steps("s1") == minute + 1
        assert rig.loop.runtime is not None
        parked = rig.loop.runtime.quarantine.parked
        assert set(parked) == {session_key("s0")}
        assert "no such thing" in parked[session_key("s0")].reason
        counted = rig.telemetry.failures.labels("session")._value.get()
        assert counted >= 5
        assert store.batches < 400
        store.bad = bills("nobody")
        rig.clock.advance(PARKED_RETRY_MS)
        await rig.rest()
        assert parked == {}
        assert await rig.steps("s0") == await rig.steps("s1")


async def test_every_command_beside_a_refused_one_is_done_and_answered_once() -> None:
    store = Picky()
    await seed(store, players=tuple(f"p{number}" for number in range(9)))
    async with running(store) as rig:
        store.bad = answers("k5")
        tops = [TopUpWallet(player_id=f"p{number}", amount_minor=5_00) for number in range(9)]
        replies = await rig.ask(*tops)
        assert [reply.code for reply in replies] == [None] * 4 + ["internal-error"] + [None] * 4
        for number in range(9):
            assert await wallet_of(store, f"p{number}") == ((0 if number == 4 else 5_00), 0)
        await rig.rest()
        assert all(len(given) == 1 for given in rig.answers.values())


async def test_a_full_account_refuses_what_is_paid_into_it_and_nothing_else() -> None:
    store = MemoryStore()
    await seed(store)
    balances = store._server.chain(CHAIN).balances
    balances["EUR:desk:north:cash"] = 10 - MAX_AMOUNT_MINOR
    balances["EUR:wallet:zed:cash"] = MAX_AMOUNT_MINOR - 10
    async with running(store) as rig:
        full, beside = await rig.ask(
            TopUpWallet(player_id="ann", amount_minor=10_00),
            by_card("bob", 5),
        )
        assert (full.status, full.code) == (ReplyStatus.REJECTED, "balance-out-of-range")
        assert beside.status is ReplyStatus.OK
        (later,) = await rig.ask(by_card("bob", 5))
        assert later.status is ReplyStatus.OK
        assert await wallet_of(store, "ann") == (0, 0)


class Broken(MemoryStore):
    """A store that takes nothing at all while ``broken``."""

    broken = False

    async def commit(self, ownership: Ownership, seq: int, units: Sequence[Unit]) -> CommitResult:
        if self.broken:
            raise StoreError("ERR not today")
        return await super().commit(ownership, seq, units)


async def test_a_store_that_takes_nothing_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.shard_loop.DEFECT_PAUSE_S", 0.01)
    store = Broken()
    await seed(store)
    async with running(store) as rig:
        await two_play(rig)
        store.broken = True
        (reply,) = await rig.ask(TopUpWallet(player_id="ann", amount_minor=5_00))
        assert reply.status is ReplyStatus.BUSY
        await rig.minutes(2)
        store.broken = False
        await rig.until(lambda: rig.loop.ready)
        await rig.rest()
        assert rig.loop.runtime is not None
        assert rig.loop.runtime.quarantine.parked == {}
        assert await rig.steps("s0") == await rig.steps("s1") == 2
        assert all(len(given) == 1 for given in rig.answers.values())


async def test_a_real_server_refuses_one_unit_and_takes_the_others(tmp_path: Path) -> None:
    """A full account, and a key of the wrong type: the script's word and the server's own."""
    with running_server(tmp_path / "state") as server:
        store = RedisStore.open(server.url, host="h1")
        await seed(store)
        keys = ChainKeys(CHAIN)
        full = ("EUR:desk:north:cash", str(10 - MAX_AMOUNT_MINOR))
        assert tell(server.port, "HSET", keys.of("balances"), *full) == b":1\r\n"
        async with running(store) as rig:
            cash, card = await rig.ask(
                TopUpWallet(player_id="ann", amount_minor=10_00),
                TopUpWallet.model_validate(
                    {"player_id": "bob", "amount_minor": 5, "means": "card"}
                ),
            )
            assert (cash.code, card.status) == ("balance-out-of-range", ReplyStatus.OK)
            assert tell(server.port, "SET", keys.hall("north"), "not a hash") == b"+OK\r\n"
            hold, beside = await rig.ask(
                HoldPc(pc_id="north-main-0", reason="broken"),
                TopUpWallet.model_validate(
                    {"player_id": "bob", "amount_minor": 5, "means": "card"}
                ),
            )
            assert (hold.code, beside.status) == ("internal-error", ReplyStatus.OK)
            assert await wallet_of(store, "bob") == (10, 0)
        await store.close()
