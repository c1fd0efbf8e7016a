"""A CRM that edits what is configured: a new key each time, on the version it has read."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from api_under_test import (
    KEY,
    ScriptedGateway,
    client_of,
    dependencies,
    seed_chain,
)

from actors.store import Store
from actors.store_memory import MemoryStore
from controller.api.auth import ApiKey
from controller.api.tokens import TokenReader

API: Final = "/api/v1"


class Editor:
    """Asks with a new key each time; edits what it has read."""

    def __init__(self, client: httpx.AsyncClient, store: Store) -> None:
        self.client = client
        self.store = store
        self._keys = 0

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        etag: str | None = None,
        key: str | None = None,
        bearer: str | None = None,
    ) -> httpx.Response:
        self._keys += 1
        headers = {"Idempotency-Key": key or f"edit-{self._keys}"}
        if etag is not None:
            headers["If-Match"] = etag
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        return await self.client.request(method, f"{API}{path}", json=body, headers=headers)

    async def read(self, path: str) -> dict[str, Any]:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert body.get("etag") in (None, answer.headers.get("etag"))
        return body

    async def edit(self, path: str, changes: Mapping[str, object]) -> dict[str, Any]:
        etag = (await self.read(path))["etag"]
        answer = await self.ask("PATCH", path, changes, etag=etag)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert answer.headers["etag"] == body["etag"]
        return body

    async def made(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        answer = await self.ask("POST", path, body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@asynccontextmanager
async def editing(
    *, keys: Sequence[ApiKey] = (), tokens: TokenReader | None = None
) -> AsyncIterator[Editor]:
    """An editor of the seeded chain."""
    store = MemoryStore()
    await seed_chain(store)
    given = dependencies(store, ScriptedGateway(), keys=keys, tokens=tokens)
    async with client_of(given, KEY) as client:
        yield Editor(client, store)
