"""A TCP proxy before an HTTP server that loses every second reply after the server has given it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class LossyProxy:
    """``replies`` and ``lost`` count what the server has said and what of it went astray."""

    server: str
    address: str = ""
    replies: int = 0
    lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One caller's connection: request by request, until a reply is lost."""
        target = urlsplit(self.server)
        assert target.hostname is not None
        ends = [writer]
        try:
            upstream, sending = await asyncio.open_connection(target.hostname, target.port)
            ends.append(sending)
            while request := await _message(reader):
                sending.write(request)
                reply = await _message(upstream)
                self.replies += 1
                if self.replies % 2:
                    self.lost += 1
                    return
                writer.write(reply)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            for one in ends:
                one.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One whole HTTP message; empty when the other side is through."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


@asynccontextmanager
async def lossy_proxy(server: str) -> AsyncIterator[LossyProxy]:
    """The proxy on a free port, before ``server``."""
    proxy = LossyProxy(server)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listening.close()
