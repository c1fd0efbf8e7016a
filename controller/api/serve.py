"""``clubctl api``: the API's process. It owns no state; any number of them may run side by side."""

import asyncio
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import structlog
import uvicorn

from actors.clock import Clock, SteadyClock, SystemClock, ThisMachine, clock_for
from actors.ray_host import RayGateway, disconnect
from actors.store import Snapshots, Store, StoredEntity, StoreUnavailableError
from actors.store_redis import RedisStore
from actors.timekeeping import boot_id, follow_hosts
from controller.api.app import create_app
from controller.api.auth import ApiKey, CookieSigner, Gate, KeyRing
from controller.api.dependencies import ApiDependencies
from controller.api.live import LiveHall
from controller.api.tokens import Issuer, TokenReader, keys_at
from controller.archive import open_archive
from controller.archive.database import Archive
from controller.business_time import read_anchor
from controller.enrolment.told import terms_of
from controller.settings import PREFIX, ApiKeySettings, Environment, Settings, SettingsError
from controller.webhooks.signing import SECRET_BYTES

SIGNING_SNAPSHOT: Final = "api-signing"
COOKIE_SECRET_BYTES: Final = 32
STORE_RETRY_S: Final = 0.5
GRACE_S: Final = 10
KEEP_ALIVE_S: Final = 75
"""Longer than clients and proxies keep a connection they do not use: whoever closes it first
must not be us, just as a request is sent on it."""
SESSION_ID_BYTES: Final = 9
ARCHIVE_LOOK_MAX_MS: Final = 5_000
"""A statement over history that takes longer was asked for too much."""

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)


def run_api(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises SettingsError without a store."""
    if settings.redis_url is None:
        raise SettingsError(f"{PREFIX}REDIS_URL: not set; `clubctl demo` starts its own")
    asyncio.run(_serve(settings, settings.redis_url))


async def _serve(settings: Settings, redis_url: str) -> None:
    store = RedisStore.open(redis_url)
    real = SteadyClock(ThisMachine())
    following = asyncio.create_task(follow_hosts(store, real, boot_id()))
    archived = LazyArchive(settings.sql_url)
    try:
        app = create_app(await dependencies_of(settings, store, real, archived=archived))
        config = uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=[str(one) for one in settings.trusted_proxies],
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
            ws="none",
        )
        log.info("api_serving", host=settings.api_host, port=settings.api_port)
        await LiveServer(config, app.state.rooms.live).serve()
    finally:
        following.cancel()
        await asyncio.to_thread(disconnect)
        await archived.close()
        await store.close()


async def dependencies_of(
    settings: Settings, store: Store, real: Clock, *, archived: "LazyArchive"
) -> ApiDependencies:
    """What the API is built from; waits for the store, because the keys of time are in it.

    ``real`` is real time as hosts go by it.
    """
    while True:
        try:
            anchor = await read_anchor(store)
            secret = await cookie_secret(settings, store)
            break
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=str(error))
            await asyncio.sleep(STORE_RETRY_S)
    ring = KeyRing([_key(key) for key in settings.api_keys])
    real_clock = SystemClock()
    return ApiDependencies(
        store=store,
        gateway=RayGateway(store),
        gate=Gate(ring, CookieSigner(secret, ring)),
        clock=clock_for(anchor, real),
        real_clock=real_clock,
        tokens=_tokens(settings, real_clock),
        draw_id=draw_session_id,
        draw_secret=draw_webhook_secret,
        code_secret=secret,
        webhooks_private=settings.webhooks_private,
        secure_cookies=settings.env is Environment.PRODUCTION,
        serves_metrics=settings.metrics,
        archived=archived,
        pc_terms=terms_of(settings),
    )


def _key(key: ApiKeySettings) -> ApiKey:
    return ApiKey(
        key.chain_id,
        key.name,
        key.sha256,
        permissions=key.permissions,
        club_ids=frozenset(key.club_ids) or None,
        channel=key.channel,
    )


def _tokens(settings: Settings, clock: Clock) -> TokenReader | None:
    """A reader of the issuer's tokens, when one is configured."""
    issuer, audience, url = settings.jwt_issuer, settings.jwt_audience, settings.jwt_keys_url
    if issuer is None or audience is None or url is None:
        return None
    return TokenReader(Issuer(issuer, audience), keys_at(url), clock)


class LazyArchive:
    """The archive, opened when something is first asked for that the store does not keep."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._archive: Archive | None = None
        self._opening = asyncio.Lock()

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """The session's final document, or None. Raises ArchiveError."""
        return await (await self._opened()).session(chain_id, session_id)

    async def look(
        self, work: Callable[Concatenate[Any, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do ``work``, which only reads. Raises ArchiveError; ArchiveSlowError after so long."""
        archive = await self._opened()
        return await archive.look_within(ARCHIVE_LOOK_MAX_MS, work, *args, **kwargs)

    async def close(self) -> None:
        """Free its connections, if it was opened."""
        async with self._opening:
            if self._archive is not None:
                self._archive.close()
                self._archive = None

    async def _opened(self) -> Archive:
        async with self._opening:
            if self._archive is None:
                self._archive = await asyncio.to_thread(open_archive, self._url)
        return self._archive


async def cookie_secret(settings: Settings, store: Snapshots) -> bytes:
    """The configured secret, else one that the store keeps for every API process.

    Operators stay signed in while an API process restarts.
    """
    if settings.cookie_secret is not None:
        return settings.cookie_secret.get_secret_value().encode()
    # Two processes that start together agree on what was written first.
    return await store.add_snapshot(SIGNING_SNAPSHOT, secrets.token_bytes(COOKIE_SECRET_BYTES))


def draw_session_id() -> str:
    """A session id nobody can guess, fit for an address."""
    return f"ses-{secrets.token_hex(SESSION_ID_BYTES)}"


def draw_webhook_secret() -> bytes:
    """What a webhook's deliveries are signed with."""
    return secrets.token_bytes(SECRET_BYTES)


class LiveServer(uvicorn.Server):
    """Ends live streams when it is asked to stop, and leaves the loop as it found it."""

    def __init__(self, config: uvicorn.Config, live: LiveHall) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening, let what runs finish, and wait for no reader of a stream."""
        self._live.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the serving, not the process: the rest is tidied up after it."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.should_exit = True
