"""The MQTT link on a real broker: one connection after another, one outbox through all of them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Final

from schemas.link_connection import Connection, RefusedByBroker
from schemas.link_port import (
    Backoff,
    Credentials,
    Ending,
    LinkHost,
    LinkSettings,
    LinkStats,
    Outgoing,
    Will,
)
from schemas.outbox import Outbox, Queued

LOOK_FOR_CREDENTIALS_S: Final = 0.5

_logger = logging.getLogger("clubctl.link")


class GmqttLink:
    """``MqttLink`` over a real broker. Give ``will`` to be asked for one before every connection.

    ``mono_s`` is a steady clock in seconds; it times expiry and the life of connections.
    ``credentials`` is asked before every connection too, where they may change meanwhile.
    """

    def __init__(
        self,
        settings: LinkSettings,
        host: LinkHost,
        *,
        mono_s: Callable[[], float],
        random: Random,
        will: Callable[[], Will | None] = lambda: None,
        credentials: Callable[[], Credentials | None] | None = None,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._shown: Credentials | None = None
        self._host = host
        self._mono_s = mono_s
        self._will = will
        self._backoff = Backoff(settings.backoff, random)
        self._stats = LinkStats()
        self._outbox = Outbox(settings.max_outbox, self._stats)
        self._filters: dict[str, None] = {}
        self._unsubscribed: dict[str, None] = {}
        self._dirty = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._connection: Connection | None = None
        self._mute: Connection | None = None
        """What fell silent and has not been cut yet."""
        self._up = False
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """See ``MqttLink``."""
        return self._up

    @property
    def stats(self) -> LinkStats:
        """See ``MqttLink``."""
        return self._stats

    @property
    def unacked_count(self) -> int:
        """Messages accepted and not acknowledged yet."""
        in_flight = 0 if self._connection is None else len(self._connection.in_flight)
        return len(self._outbox) + in_flight

    def start(self) -> None:
        """See ``MqttLink``."""
        if self._task is None:
            self._let_go()
            self._task = asyncio.get_running_loop().create_task(self._run())

    def publish(self, message: Outgoing) -> bool:
        """See ``MqttLink``."""
        if message.qos == 0:
            if not self._up or self._connection is None or not self._connection.is_open:
                self._stats.rejected += 1
                return False
            self._connection.send_now(message)
            self._stats.published += 1
            return True
        accepted = self._outbox.offer(message, self._mono_s())
        if accepted:
            self._drained.clear()
            self._pump()
        return accepted

    def subscribe(self, topic_filter: str) -> None:
        """See ``MqttLink``."""
        self._filters[topic_filter] = None
        self._unsubscribed.pop(topic_filter, None)
        self._dirty.set()

    def unsubscribe(self, topic_filter: str) -> None:
        """See ``MqttLink``."""
        if self._filters.pop(topic_filter, False) is None:
            self._unsubscribed[topic_filter] = None
            self._dirty.set()

    async def flush(self, timeout_s: float) -> bool:
        """See ``MqttLink``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """See ``MqttLink``."""
        connection = self._connection if self._up else None
        if connection is not None:
            await connection.goodbye()
        await self.abort()

    async def abort(self) -> None:
        """See ``MqttLink``."""
        self._let_go()
        await self._end()

    async def silence(self) -> None:
        """See ``MqttLink``; the socket stands until there is another, or none is wanted."""
        connection = self._connection
        if self._up and connection is not None and connection.is_open:
            connection.client.mute()
            self._mute = connection
        await self._end()

    def _let_go(self) -> None:
        mute, self._mute = self._mute, None
        if mute is not None:
            mute.client.cut()

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        # A socket dies in the loop's next steps; whoever aborts may end the loop right away.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def acked(self, queued: Queued) -> None:
        """Called by the connection for every PUBACK."""
        self._stats.acked += 1
        if queued.message.on_acked is not None:
            self._guarded(queued.message.on_acked)
        self._pump()

    def refused(self, queued: Queued, reason: int) -> None:
        """Called by the connection for every PUBACK that says no: sending again is no use."""
        self._stats.refused += 1
        self._stats.last_error = f"refused {reason:#x}: {queued.message.topic}"
        _logger.warning("%s: %s", self._settings.client_id, self._stats.last_error)
        self._pump()

    def received(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Called by the connection for every inbound PUBLISH."""
        self._stats.received += 1
        self._guarded(lambda: self._host.on_message(topic, payload, retain))

    async def _run(self) -> None:
        while True:
            ending, lived_s = await self._one_life()
            delay_s = self._backoff.delay_s(ending, lived_s)
            _logger.debug("%s: %s, again in %.1f s", self._settings.client_id, ending, delay_s)
            await self._stay_away(ending, delay_s)

    async def _stay_away(self, ending: Ending, delay_s: float) -> None:
        """Wait; a refusal was of what was shown, so other credentials end the wait."""
        if ending is not Ending.REFUSED or self._credentials is None:
            await asyncio.sleep(delay_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                while self._credentials() == self._shown:  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(LOOK_FOR_CREDENTIALS_S)

    async def _one_life(self) -> tuple[Ending, float]:
        settings = self._settings
        if self._credentials is not None:
            self._shown = self._credentials()
            settings = replace(settings, credentials=self._shown)
        connection = Connection(self, settings, self._will())
        self._connection = connection
        up_at_s: float | None = None
        try:
            await connection.open()
            await self._hear(connection)
            self._stats.connects += 1
            up_at_s = self._mono_s()
            self._up = True
            self._guarded(self._host.on_connected)
            self._pump()
            await self._serve(connection)
        except RefusedByBroker as error:
            self._failed(str(error))
            return Ending.REFUSED, 0.0
        except OSError as error:
            self._failed(f"{type(error).__name__}: {error}")
        except Exception as error:
            _logger.exception("%s: connection failed unexpectedly", self._settings.client_id)
            self._failed(f"{type(error).__name__}: {error}")
        finally:
            self._bury(connection)
        if up_at_s is None:
            return Ending.UNREACHABLE, 0.0
        ending = Ending.TAKEN_OVER if connection.taken_over else Ending.LOST
        return ending, self._mono_s() - up_at_s

    async def _serve(self, connection: Connection) -> None:
        """Keep filters in force until the connection is lost."""
        while not connection.lost.done():
            dirty = asyncio.ensure_future(self._dirty.wait())
            try:
                await asyncio.wait((dirty, connection.lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                dirty.cancel()
            if not connection.lost.done():
                await self._hear(connection)

    async def _hear(self, connection: Connection) -> None:
        self._dirty.clear()
        gone, self._unsubscribed = list(self._unsubscribed), {}
        await connection.hear(list(self._filters), gone)

    def _bury(self, connection: Connection) -> None:
        if not connection.client.is_mute:
            connection.client.cut()
        self._connection = None
        unacked = list(connection.in_flight.values())
        connection.in_flight.clear()
        self._stats.redelivered += len(unacked)
        self._outbox.give_back(unacked)
        if self._up:
            self._up = False
            reason = connection.lost.result() if connection.lost.done() else "closed here"
            self._guarded(lambda: self._host.on_disconnected(reason))

    def _pump(self) -> None:
        connection = self._connection
        if not self._up or connection is None or not connection.is_open:
            return
        while len(connection.in_flight) < connection.window:
            now_s = self._mono_s()
            queued = self._outbox.take(now_s)
            if queued is None:
                break
            try:
                connection.send(queued, now_s)
            except OverflowError:
                # A pending SUBSCRIBE holds the last packet id; the next PUBACK pumps again.
                self._outbox.give_back([queued])
                break
            self._stats.published += 1
        if not connection.in_flight and not len(self._outbox):
            self._drained.set()

    def _failed(self, reason: str) -> None:
        self._stats.failures += 1
        self._stats.last_error = reason
        _logger.warning("%s: %s", self._settings.client_id, reason)

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            self._stats.callback_errors += 1
            _logger.exception("%s: callback failed", self._settings.client_id)
