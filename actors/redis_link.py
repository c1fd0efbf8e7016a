"""The one way to Redis or Valkey: a bounded pool, explicit limits, our own errors.

Every command may be sent twice: a lost reply is answered by sending again. What must not happen
twice is guarded inside the scripts, never by the client.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files
from typing import Any, Self, TypeAlias

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from actors.store_values import StoreError, StoreUnavailableError

CONNECTIONS_MAX = 32
POOL_WAIT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
REPLY_TIMEOUT_SECONDS = 5.0
HEALTH_CHECK_SECONDS = 15
RETRIES = 4
RETRY_BASE_SECONDS = 0.02
RETRY_CAP_SECONDS = 0.5

_UNABLE = (
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
)
_UNABLE_CODES = ("MISCONF", "NOREPLICAS")
"""Answers of a server that is there and cannot write now; nothing was written."""

Argument: TypeAlias = bytes | str | int
Reply: TypeAlias = Any
"""Whatever the server said: the caller knows the shape by the command it sent."""


@dataclass(frozen=True, slots=True)
class Script:
    """A server-side script; its digest is how the server remembers it."""

    source: bytes
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.source, usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", digest)

    @classmethod
    def named(cls, name: str) -> Self:
        """Read ``<name>.lua`` of this package."""
        return cls(files("actors").joinpath(f"{name}.lua").read_bytes())


class _Stoppable(AbstractConnection):
    """A connection whose user can be cancelled at any moment.

    redis-py sends within ``asyncio.wait_for``, and on Python 3.11 that forgets a cancellation
    which comes just as the command has been sent: the caller would go on, perhaps for ever.
    """

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - its signature
    ) -> None:
        task = asyncio.current_task()
        asked_before = 0 if task is None else task.cancelling()
        await super().send_packed_command(command, check_health)
        if task is not None and task.cancelling() > asked_before:
            # The answer to what was sent would be taken for that of the next command.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


class RedisLink:
    """Commands in, plain replies out (RESP2 shapes), StoreError and its children raised."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._execute: Callable[..., Awaitable[Reply]] = client.execute_command

    @classmethod
    def open(
        cls,
        url: str,
        *,
        connections_max: int = CONNECTIONS_MAX,
        reply_timeout_seconds: float = REPLY_TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> Self:
        """A link to ``url``; connections are made when they are first needed."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections_max,
            timeout=POOL_WAIT_SECONDS,
            protocol=2,
            legacy_responses=True,
            socket_timeout=reply_timeout_seconds,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            socket_keepalive=True,
            health_check_interval=HEALTH_CHECK_SECONDS,
            retry=Retry(
                ExponentialWithJitterBackoff(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS), retries
            ),
        )
        kind = pool.connection_class
        pool.connection_class = type(kind.__name__, (_Stoppable, kind), {})
        return cls(Redis.from_pool(pool))

    async def call(self, *command: Argument) -> Reply:
        """One command."""
        with _translated():
            return await self._execute(*command)

    async def together(
        self, commands: Sequence[tuple[Argument, ...]], *, atomic: bool
    ) -> list[Reply]:
        """Several commands in one round trip; ``atomic`` runs them as one transaction."""
        with _translated():
            async with self._client.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Reply:
        """Run a script; a server that does not know it (restarted, promoted) is sent its text."""
        rest = (len(keys), *keys, *arguments)
        with _translated():
            try:
                return await self._execute("EVALSHA", script.digest, *rest)
            except exceptions.NoScriptError:
                return await self._execute("EVAL", script.source, *rest)

    async def listen(
        self, channel: str, listening: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[str, None]:
        """Messages of a channel from now on, until the link breaks (StoreUnavailableError).

        ``listening`` is awaited once the server has confirmed: what is said from then on is heard.
        """
        with _translated():
            async with self._client.pubsub() as subscription:
                await subscription.subscribe(channel)
                async for message in subscription.listen():
                    if message["type"] == "message":
                        yield message["data"].decode()
                    elif message["type"] == "subscribe":
                        await listening()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose(close_connection_pool=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        if isinstance(error, exceptions.AuthenticationError):
            raise StoreError(f"the store refused the credentials: {error}") from error
        raise StoreUnavailableError(str(error)) from error
    except exceptions.ResponseError as error:
        if isinstance(error, _UNABLE) or str(error).startswith(_UNABLE_CODES):
            raise StoreUnavailableError(str(error)) from error
        raise StoreError(str(error)) from error
    except exceptions.RedisError as error:
        raise StoreError(str(error)) from error
