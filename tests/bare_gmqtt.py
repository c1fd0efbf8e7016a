"""The MQTT library as it is, for tests that show what our link has to guard against."""

import asyncio
from typing import Any

import gmqtt


class Bare:
    """The library's client as its documentation shows it, on a port that may be a cable's."""

    def __init__(self, client_id: str, port: int, **options: Any) -> None:
        self.port = port
        self.heard: list[bytes] = []
        self.client = gmqtt.Client(client_id, **options)
        self.client.on_message = self._on_message
        self.client.set_config({"reconnect_delay": 0.05})

    def _on_message(self, _client: object, _topic: str, payload: bytes, *_rest: object) -> None:
        self.heard.append(bytes(payload))

    async def join(self) -> "Bare":
        async with asyncio.timeout(5):
            await self.client.connect("127.0.0.1", self.port, keepalive=15)
        return self

    async def leave(self) -> None:
        await self.ended(self.client)

    @staticmethod
    async def ended(client: gmqtt.Client) -> None:
        """Stop it, whatever it is doing."""
        client.stop_reconnect()
        await asyncio.gather(client.disconnect(), return_exceptions=True)
        if client._connection is not None:
            client._connection._transport.abort()
        await asyncio.sleep(0.1)
