"""A connection from every host to the controller that says one thing: the process still is there.

A record in the store runs out seconds after its host has died. The kernel closes the sockets of
a dead process at once, so the controller hears of it at once and need not wait. It is a shortcut
and nothing else: a frozen host, or a machine that is gone without a word, is found by its record,
and a host declared dead by mistake is fenced like any other. The controller in turn tells its
hosts when there is a new map to look at.

The controller leaves ``<address>:<port>`` in the snapshot ``heartline``. A host says
``<name> <incarnation>`` once; the incarnation is known to readers of the store alone, so nobody
else can have a host declared dead. Every line back is one byte: look at the map, or still here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from actors.store import Snapshots, StoreUnavailableError

HEARTLINE_SNAPSHOT: Final = "heartline"
GREETING_BYTES_MAX: Final = 512
GREETING_TIMEOUT_S: Final = 5.0
HOSTS_MAX: Final = 1_024
RETURN_GRACE_S: Final = 0.1
"""A live host whose connection broke is back by then; a dead one is not."""
STILL_EVERY_S: Final = 1.0
SILENCE_MAX_S: Final = 5.0
REDIAL_AT_ONCE_S: Final = 0.02
REDIAL_S: Final = 0.5
LOOK: Final = b"l"
STILL: Final = b"s"

log = structlog.get_logger(__name__)


class DeathWatch:
    """The controller's end. ``died`` is awaited with name and incarnation of who is gone."""

    def __init__(self, died: Callable[[str, str], Awaitable[None]]) -> None:
        self._died = died
        self._lines: dict[tuple[str, str], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._calling: asyncio.Task[None] | None = None

    async def open(self, address: str, store: Snapshots) -> None:
        """Listen on a free port of ``address`` and say where."""
        self._server = await asyncio.start_server(self._serve, address, 0, limit=GREETING_BYTES_MAX)
        port = self._server.sockets[0].getsockname()[1]
        await store.put_snapshot(HEARTLINE_SNAPSHOT, f"{address}:{port}".encode(), ttl_ms=None)
        self._calling = asyncio.create_task(self._call())

    def tell_to_look(self) -> None:
        """There is a new map."""
        self._say(LOOK)

    async def close(self) -> None:
        """Hang up; nobody is declared dead for it."""
        if self._calling is not None:
            self._calling.cancel()
        if self._server is not None:
            self._server.close()
        lines, self._lines = self._lines, {}
        for writer in lines.values():
            writer.close()

    def _say(self, word: bytes) -> None:
        for writer in self._lines.values():
            # A host that reads nothing is frozen, and its record will run out.
            if not writer.is_closing() and not writer.transport.get_write_buffer_size():
                writer.write(word)

    async def _call(self) -> None:
        while True:
            await asyncio.sleep(STILL_EVERY_S)
            self._say(STILL)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            who = await _greeting(reader)
            if who is None or len(self._lines) >= HOSTS_MAX:
                return
            self._lines[who] = writer
            await _hang_up(reader)
            if self._lines.get(who) is writer:
                await self._gone(who, writer)
        finally:
            writer.close()

    async def _gone(self, who: tuple[str, str], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(RETURN_GRACE_S)
        if self._lines.get(who) is not writer:
            return
        del self._lines[who]
        name, incarnation = who
        log.warning("host_gone", host=name)
        try:
            await self._died(name, incarnation)
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=repr(error))


async def _greeting(reader: asyncio.StreamReader) -> tuple[str, str] | None:
    try:
        async with asyncio.timeout(GREETING_TIMEOUT_S):
            line = await reader.readline()
    except (TimeoutError, ValueError, OSError):
        return None
    name, _, incarnation = line.decode(errors="replace").strip().partition(" ")
    return (name, incarnation) if name and incarnation else None


async def _word(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SILENCE_MAX_S):
        return await reader.read(1)


async def _hang_up(reader: asyncio.StreamReader) -> None:
    """Wait until the other end is closed; whatever it says is of no interest."""
    try:
        while await reader.read(GREETING_BYTES_MAX):
            continue
    except OSError:
        return


class Heartline:
    """A host's end: stays connected to whichever controller said where last."""

    def __init__(
        self, store: Snapshots, *, name: str, incarnation: str, look: Callable[[], None]
    ) -> None:
        self._store = store
        self._greeting = f"{name} {incarnation}\n".encode()
        self._look = look

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                was_connected = await self._stay()
            except StoreUnavailableError:
                # The host's beats say so already.
                was_connected = False
            await asyncio.sleep(REDIAL_AT_ONCE_S if was_connected else REDIAL_S)

    async def _stay(self) -> bool:
        said = (await self._store.snapshots(HEARTLINE_SNAPSHOT)).get(HEARTLINE_SNAPSHOT)
        if said is None:
            return False
        address, _, port = said.decode().rpartition(":")
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                reader, writer = await asyncio.open_connection(address, int(port))
        except (OSError, TimeoutError):
            return False
        try:
            writer.write(self._greeting)
            while word := await _word(reader):
                if word == LOOK:
                    self._look()
        except (OSError, TimeoutError):
            log.info("heartline_lost")
        finally:
            writer.close()
        return True
