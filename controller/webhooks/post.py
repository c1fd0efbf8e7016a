"""One attempt to deliver: a POST, its answer's status, and nothing of its body."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from controller.webhooks.destination import (
    ForbiddenDestinationError,
    Resolve,
    SystemResolver,
    destination_of,
)

TIMEOUT_S: Final = 10.0
ATTEMPTS_AT_ONCE: Final = 128
"""At all receivers together; each has a connection of its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status`` is the HTTP status, None without an answer; ``reason`` is fit for an operator."""

    status: int | None
    reason: str = ""

    @property
    def taken(self) -> bool:
        """The receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver wants no more."""
        return self.status == httpx.codes.GONE


class Post(Protocol):
    """Tries once; never raises for what a receiver does."""

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send ``body`` to ``url``."""


class HttpPost:
    """Over HTTP to public addresses, without redirects. Close it at the end."""

    def __init__(self, *, private: bool, resolve: Resolve | None = None) -> None:
        self._private = private
        self._system = SystemResolver()
        self._resolve = resolve or self._system
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=ATTEMPTS_AT_ONCE),
        )

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """See :class:`Post`."""
        try:
            to = await destination_of(url, private=self._private, resolve=self._resolve)
        except ForbiddenDestinationError as error:
            return Outcome(None, f"refused: {error}")
        except (OSError, TimeoutError, UnicodeError) as error:
            return Outcome(None, f"no address: {type(error).__name__}")
        request = self._client.build_request(
            "POST",
            to.url,
            content=body,
            headers={**headers, "Host": to.host, "Content-Type": "application/json"},
            extensions={"sni_hostname": to.name},
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self._client.send(request, stream=True)
        except (httpx.HTTPError, TimeoutError) as error:
            return Outcome(None, type(error).__name__)
        # The body is not ours to read: it may be endless.
        await response.aclose()
        return Outcome(response.status_code, f"HTTP {response.status_code}")

    async def aclose(self) -> None:
        """Free connections and threads."""
        self._system.close()
        await self._client.aclose()
