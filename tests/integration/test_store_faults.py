"""Money moves once, whatever happens between the store and its server."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

import pytest
from stores_under_test import (
    CHAIN,
    FULL,
    owned,
    running_server,
    session_write,
    tell,
    top_up,
    wallet,
)

from actors.redis_link import RedisLink
from actors.store import (
    ChainStream,
    OutcomeUnknownError,
    StoreError,
    StoreUnavailableError,
    Unit,
    UnitStatus,
)
from actors.store_redis import RedisStore
from controller.embedded import EmbeddedValkey

pytestmark = pytest.mark.integration

COMMITS = 120
CHUNK = 65_536


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with running_server(tmp_path / "state") as running:
        yield running


class LossyProxy:
    """Passes bytes on; may swallow the answer to a script and cut the connection instead."""

    def __init__(self, port: int, *, loss: float, seed: int) -> None:
        self._target_port = port
        self._loss = loss
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.swallowed = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, client: asyncio.StreamReader, reply: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [reply]
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self._target_port)
            ends.append(requests)
            while request := await client.read(CHUNK):
                requests.write(request)
                answer = await answers.read(CHUNK)
                if b"EVAL" in request and self._random.random() < self._loss:
                    self.swallowed += 1
                    return
                reply.write(answer)
        finally:
            for writer in ends:
                writer.close()
            self._tasks.discard(task)


async def opened(port: int, *, retries: int) -> RedisStore:
    url = f"redis://127.0.0.1:{port}/0"
    link = RedisLink.open(url, retries=retries, reply_timeout_seconds=1.0)
    return RedisStore(link, RedisLink.open(url))


@pytest.fixture
async def direct(server: EmbeddedValkey) -> AsyncIterator[RedisStore]:
    store = RedisStore.open(server.url)
    yield store
    await store.close()


async def test_lost_replies_and_resent_batches_move_money_once(
    server: EmbeddedValkey, direct: RedisStore
) -> None:
    async with LossyProxy(server.port, loss=0.3, seed=11) as proxy:
        store = await opened(proxy.port, retries=12)
        ownership = await owned(store)
        for seq in range(1, COMMITS + 1):
            result = await store.commit(ownership, seq, [top_up("p1", 100, seq)])
            # The answer that arrives is the first one's: never a duplicate, never stale.
            assert [outcome.status for outcome in result.outcomes] == [UnitStatus.APPLIED]
        await store.close()
        assert proxy.swallowed > COMMITS // 6
    assert await direct.balances(CHAIN, [wallet("p1")]) == {wallet("p1"): 100 * COMMITS}
    assert len(await direct.stream(CHAIN, ChainStream.LEDGER)) == COMMITS


async def test_an_unknown_outcome_is_settled_by_taking_the_shard_again(
    server: EmbeddedValkey, direct: RedisStore
) -> None:
    """Without retries every lost reply is an unknown outcome; the stored seq says which it was."""
    async with LossyProxy(server.port, loss=0.3, seed=5) as proxy:
        store = await opened(proxy.port, retries=0)
        ownership = await owned(direct)
        unknown, done = 0, 0
        while done < COMMITS:
            try:
                await store.commit(ownership, done + 1, [top_up("p1", 100, done + 1)])
                done += 1
            except OutcomeUnknownError:
                unknown += 1
                ownership = await owned(direct)
                contents = await direct.load(ownership)
                assert contents is not None
                done = contents.seq
        await store.close()
    assert unknown == proxy.swallowed > 0
    assert await direct.balances(CHAIN, [wallet("p1")]) == {wallet("p1"): 100 * COMMITS}
    assert len(await direct.stream(CHAIN, ChainStream.LEDGER)) == COMMITS


async def test_a_server_that_forgot_the_scripts_is_told_them_again(
    server: EmbeddedValkey, direct: RedisStore
) -> None:
    ownership = await owned(direct)
    for seq in range(1, 4):
        assert tell(server.port, "SCRIPT", "FLUSH") == b"+OK\r\n"
        result = await direct.commit(ownership, seq, [top_up("p1", 100, seq)])
        assert result.outcomes[0].status is UnitStatus.APPLIED
    assert await direct.balances(CHAIN, [wallet("p1")]) == {wallet("p1"): 300}


async def test_everything_acknowledged_survives_a_killed_server(
    server: EmbeddedValkey, direct: RedisStore
) -> None:
    ownership = await owned(direct)
    acknowledged = 0
    for round_number in range(3):
        for _ in range(20):
            await direct.commit(ownership, acknowledged + 1, [top_up("p1", 100)])
            acknowledged += 1
        server.kill()
        with pytest.raises(StoreUnavailableError):
            await direct.balances(CHAIN, [wallet("p1")])
        server.start()
        contents = await direct.load(ownership)
        assert contents is not None
        assert contents.seq == acknowledged == 20 * (round_number + 1)
    assert await direct.balances(CHAIN, [wallet("p1")]) == {wallet("p1"): 100 * acknowledged}


async def test_a_server_restarting_under_load_is_waited_for(
    server: EmbeddedValkey, direct: RedisStore
) -> None:
    ownership = await owned(direct)

    async def commit_all() -> None:
        for seq in range(1, 301):
            await direct.commit(ownership, seq, [top_up("p1", 100, seq)])

    load = asyncio.ensure_future(commit_all())
    await asyncio.sleep(0.05)
    assert not load.done()
    server.kill()
    server.start()
    await load
    assert await direct.balances(CHAIN, [wallet("p1")]) == {wallet("p1"): 30_000}


async def test_a_cancelled_caller_leaves_a_whole_batch(
    server: EmbeddedValkey, direct: RedisStore
) -> None:
    ownership = await owned(direct)
    await direct.commit(ownership, 1, [])
    sending = asyncio.ensure_future(direct.commit(ownership, 2, [top_up("p1", 100)]))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    ownership = await owned(direct)
    contents = await direct.load(ownership)
    assert contents is not None
    balances = await direct.balances(CHAIN, [wallet("p1")])
    assert (contents.seq, balances[wallet("p1")]) in {(1, 0), (2, 100)}


@pytest.mark.parametrize(
    "name", ["ledger", "outbox", "balances", "claims", "index", "closed", "hall:c1", "live:c1"]
)
async def test_a_key_of_another_type_stops_the_batch_before_it_writes(
    server: EmbeddedValkey, direct: RedisStore, name: str
) -> None:
    """Scripts are not rolled back: what could fail is asked first."""
    ownership = await owned(direct)
    assert tell(server.port, "SADD", f"clubctl:{{{CHAIN}}}:{name}", "stray") == b":1\r\n"
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await direct.commit(ownership, 1, [FULL])
    contents = await direct.load(ownership)
    assert contents is not None
    assert (contents.seq, contents.entities) == (0, ())


@pytest.mark.parametrize(
    ("setting", "words"), [("maxmemory", "maxmemory"), ("min-replicas-to-write", "NOREPLICAS")]
)
async def test_a_server_that_may_not_write_is_unavailable(
    server: EmbeddedValkey, direct: RedisStore, setting: str, words: str
) -> None:
    ownership = await owned(direct)
    assert tell(server.port, "CONFIG", "SET", setting, "1") == b"+OK\r\n"
    with pytest.raises(OutcomeUnknownError, match=words):
        await direct.commit(ownership, 1, [Unit(entities=(session_write("s1", 0),))])
    assert tell(server.port, "CONFIG", "SET", setting, "0") == b"+OK\r\n"
    contents = await direct.load(ownership)
    assert contents is not None
    assert contents.seq == 0
