"""A receiver of webhooks on a real socket: it answers as told and remembers every attempt."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from actors.store import Catalogue
from schemas.webhooks import WebhookDocument, field_of


@dataclass(frozen=True)
class Attempt:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def message(self) -> dict[str, Any]:
        decoded: dict[str, Any] = orjson.loads(self.body)
        return decoded


def _answering() -> asyncio.Event:
    answering = asyncio.Event()
    answering.set()
    return answering


@dataclass
class Receiver:
    """``answer`` chooses the status of each attempt; while ``answering`` is clear there is none.

    ``asked`` holds the ids of what has come, answered or not.
    """

    answer: Callable[[dict[str, Any]], int] = lambda _message: 204
    attempts: list[Attempt] = field(default_factory=list)
    port: int = 0
    answering: asyncio.Event = field(default_factory=_answering)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[dict[str, Any]]:
        """What was accepted, in the order it was."""
        return [one.message for one in self.attempts if one.status < 300]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await self._head(reader):
                first, *lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (one.partition(": ") for one in lines)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.asked.append(orjson.loads(body)["id"])
                await self.answering.wait()
                status = self.answer(orjson.loads(body))
                self.attempts.append(Attempt(first.split()[1], headers, body, status))
                location = "Location: /elsewhere\r\n" if 300 <= status < 400 else ""
                writer.write(f"HTTP/1.1 {status} X\r\n{location}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).rstrip()
        except asyncio.IncompleteReadError:
            return b""


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.answering.set()
        server.close()


async def put_subscription(store: Catalogue, chain_id: str, one: WebhookDocument) -> None:
    """Subscribe without the API."""
    await store.put(chain_id, {field_of(one.webhook_id): one.model_dump_json().encode()})
