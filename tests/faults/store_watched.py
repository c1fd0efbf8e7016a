"""What a process really asks of the store: the server's own record of commands, by connection."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

_LINE = re.compile(rb"^\+?([0-9.]+) \[\d+ ([^\]]+)\] (.*)$")
WRITES = frozenset(
    {b"HSET", b"HDEL", b"XADD", b"SET", b"DEL", b"INCRBY", b"HINCRBY", b"XTRIM", b"PUBLISH"}
)


@dataclass
class StoreRecord:
    """Commands in order: (connection, or ``lua`` inside a script; the command's words)."""

    commands: list[tuple[str, bytes]] = field(default_factory=list)

    def writes_by(self, connections: frozenset[str], chain_id: str) -> list[bytes]:
        """Commands of these connections, and of their scripts, that wrote a key of a chain."""
        tag, found, ours = f"{{{chain_id}}}".encode(), [], False
        for connection, words in self.commands:
            if connection != "lua":
                ours = connection in connections
            word = words.split(b" ", 1)[0].strip(b'"').upper()
            if ours and word in WRITES and tag in words:
                found.append(words)
        return found

    def asked_by(self, connections: frozenset[str]) -> int:
        """How many commands these connections sent."""
        return sum(connection in connections for connection, _ in self.commands)


def connections_of(pid: int) -> frozenset[str]:
    """A process's own ends of its connections, as a server names them."""
    found = psutil.Process(pid).net_connections(kind="tcp")
    return frozenset(f"{one.laddr.ip}:{one.laddr.port}" for one in found if one.laddr)


@asynccontextmanager
async def recorded_store(port: int) -> AsyncIterator[StoreRecord]:
    """Record every command the server is sent, from now on."""
    record = StoreRecord()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    writer.write(b"MONITOR\r\n")
    await reader.readline()

    async def follow() -> None:
        while line := await reader.readline():
            found = _LINE.match(line.rstrip())
            if found is not None:
                record.commands.append((found[2].decode(), found[3]))

    following = asyncio.create_task(follow())
    try:
        yield record
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        writer.close()
