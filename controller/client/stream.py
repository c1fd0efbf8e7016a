"""The live hall for a program: events as they come, resumed where a connection broke."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson

from controller.client.transport import ProblemError, Transport, part, problem_of

RECONNECT_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HallEvent:
    """``kind`` is ``snapshot``, ``tiles`` or ``heartbeat``; the first two carry an ``entry_id``."""

    kind: str
    data: Mapping[str, Any]
    entry_id: str | None = None


class StreamCalls(Transport):
    """What has no end."""

    async def stream_hall(
        self, club_id: str, *, last_event_id: str | None = None
    ) -> AsyncIterator[HallEvent]:
        """The hall and every change of it, for as long as it is read; nothing missed or twice.

        A broken connection is made again. Raises ProblemError when the server refuses.
        """
        while True:
            try:
                async for event in self._connection(club_id, last_event_id):
                    last_event_id = event.entry_id or last_event_id
                    yield event
            except httpx.TransportError:
                # What was missed meanwhile is given after the last id.
                await self._sleep(RECONNECT_AFTER_S)
            except ProblemError as problem:
                if not problem.is_passing:
                    raise
                await self._sleep(RECONNECT_AFTER_S)

    async def _connection(self, club_id: str, last_id: str | None) -> AsyncIterator[HallEvent]:
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        address = f"/clubs/{part(club_id)}/hall/stream"
        async with self._http.stream("GET", address, headers=headers) as response:
            if not response.is_success:
                await response.aread()
                raise problem_of(response)
            async for event in _events(response):
                yield event


async def _events(response: httpx.Response) -> AsyncIterator[HallEvent]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield HallEvent(fields["event"], orjson.loads(fields["data"]), fields.get("id"))
        fields = {}
