"""One connection of the MQTT link, and the only module that imports gmqtt.

Every connection gets a client object of its own: packet ids of a lost session cannot leak into
the next, the will may differ per connection, and gmqtt's own reconnect stays switched off.
gmqtt never sees more unacknowledged messages than the broker's Receive Maximum allows, because
it raises instead of waiting.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

import gmqtt
from gmqtt.mqtt.handler import MQTTConnectError

from schemas.link_port import MAX_PACKET_BYTES, LinkSettings, Outgoing, Will
from schemas.outbox import Queued

_logger = logging.getLogger("clubctl.link")

_GOODBYE_S: Final = 2.0
_RESERVED_PACKET_IDS: Final = 2
_SESSION_TAKEN_OVER: Final = 0x8E
_REFUSALS: Final = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
_SUBSCRIPTION_REFUSED: Final = 0x80
_PUBLISH_REFUSED: Final = 0x80
_PUBACK_REASON_AT: Final = 2
_MAX_FILTERS_PER_PACKET: Final = 64


class RefusedByBroker(ConnectionError):  # noqa: N818 - what happened, not a defect
    """The broker will not have us, or not hear what we want; trying soon again is no use."""


class ConnectionOwner(Protocol):
    """What a connection tells its link."""

    def acked(self, queued: Queued) -> None:
        """The broker acknowledged one message."""

    def refused(self, queued: Queued, reason: int) -> None:
        """The broker's rules do not let us say this; it answered with ``reason``."""

    def received(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """One message arrived."""


class _AckTap:
    """gmqtt's storage of unacknowledged packets, used as its only dependable PUBACK signal."""

    is_empty = True

    def __init__(self, on_sent: Callable[[int], None], on_acked: Callable[[int], None]) -> None:
        self._on_sent = on_sent
        self._on_acked = on_acked

    def push_message(self, mid: int, _raw: bytes) -> None:
        self._on_sent(mid)

    def remove_message_by_mid(self, mid: int) -> None:
        self._on_acked(mid)

    async def wait_empty(self) -> None:
        """Nothing is ever replayed from here, so connecting never waits for a drain."""

    def clear(self) -> None:
        """Belongs to a session we do not continue; the outbox holds what is unacknowledged."""

    def get_all(self) -> list[tuple[int, bytes]]:
        return []


class _Client(gmqtt.Client):  # type: ignore[misc]  # gmqtt carries no types
    """A gmqtt client for exactly one connection."""

    async def reconnect(self, delay: bool = False) -> None:  # noqa: FBT001, FBT002 - its signature
        """Never: the link makes a new client."""

    is_mute = False

    def mute(self) -> None:
        """Leave the socket open, and read and write nothing more."""
        self._is_active = False
        self.is_mute = True
        connection = self._connection
        connection._keep_connection_callback.cancel()  # noqa: SLF001 - gmqtt has no public way
        connection._protocol._read_loop_future.cancel()  # noqa: SLF001
        connection._transport.pause_reading()  # noqa: SLF001

    def cut(self) -> None:
        """Drop the socket at once, without DISCONNECT."""
        self._is_active = False
        if self._connection is not None:
            self._connection._transport.abort()  # noqa: SLF001 - gmqtt has no public way


class Connection:
    """One connection from CONNECT to its end; hands what happens to the link."""

    def __init__(self, link: ConnectionOwner, settings: LinkSettings, will: Will | None) -> None:
        self._link = link
        self._settings = settings
        self._suback: asyncio.Future[tuple[int, ...]] | None = None
        self._sending: Queued | None = None
        self.in_flight: dict[int, Queued] = {}
        self.filters: set[str] = set()
        self.window = 1
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.taken_over = False
        self.client = _Client(
            settings.client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            will_message=None if will is None else _will_message(will),
            persistent_storage=_AckTap(self._sent, self._acked),
            logger=logging.getLogger("clubctl.link.gmqtt"),
            session_expiry_interval=settings.session_expiry_s,
            maximum_packet_size=MAX_PACKET_BYTES,
        )
        handler = self.client._package_handler  # noqa: SLF001 - gmqtt reads no reason of a PUBACK
        self._take_puback = handler._handle_puback_packet  # noqa: SLF001
        handler._handle_puback_packet = self._on_puback  # noqa: SLF001
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        if settings.credentials is not None:
            self.client.set_auth_credentials(
                settings.credentials.username, settings.credentials.password
            )

    async def open(self) -> None:
        """Connect or raise; a broker that accepts TCP and then says nothing is a TimeoutError."""
        settings = self._settings
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await self.client.connect(
                    settings.host,
                    settings.port,
                    ssl=settings.tls or False,
                    keepalive=settings.keepalive_s,
                )
        except MQTTConnectError as error:
            code = error._code  # noqa: SLF001 - gmqtt offers the number nowhere else
            kind = RefusedByBroker if code in _REFUSALS else ConnectionError
            raise kind(str(error)) from error

    async def hear(self, wanted: list[str], gone: list[str]) -> None:
        """Bring subscriptions in force, one packet at a time. Raises ``RefusedByBroker``."""
        stale = [name for name in gone if name in self.filters]
        if stale:
            self.client.unsubscribe(stale)
            self.filters.difference_update(stale)
        missing = [name for name in wanted if name not in self.filters]
        for first in range(0, len(missing), _MAX_FILTERS_PER_PACKET):
            await self._subscribe(missing[first : first + _MAX_FILTERS_PER_PACKET])

    async def _subscribe(self, filters: list[str]) -> None:
        suback: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self._suback = suback
        self.client.subscribe([gmqtt.Subscription(name, qos=1) for name in filters])
        async with asyncio.timeout(self._settings.connect_timeout_s):
            while not suback.done() and not self.lost.done():
                await asyncio.wait((suback, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not suback.done():
            raise ConnectionResetError(self.lost.result())
        # gmqtt keeps every subscription ever made in a list that each SUBACK then walks.
        self.client.subscriptions.clear()
        if any(code >= _SUBSCRIPTION_REFUSED for code in suback.result()):
            raise RefusedByBroker("subscription refused")
        self.filters.update(filters)

    @property
    def is_open(self) -> bool:
        """What is written now can still leave; False from the first sign of the end."""
        return not self.lost.done() and bool(self.client.is_connected)

    def send(self, queued: Queued, now_s: float) -> None:
        """Publish one QoS 1 message; it is in flight afterwards."""
        message = queued.message
        properties: dict[str, int] = {}
        remaining_s = queued.remaining_s(now_s)
        if remaining_s is not None:
            properties["message_expiry_interval"] = remaining_s
        self._sending = queued
        try:
            self.client.publish(
                message.topic, message.payload, qos=1, retain=message.retain, **properties
            )
        finally:
            self._sending = None

    def send_now(self, message: Outgoing) -> None:
        """Publish at QoS 0."""
        properties = {}
        if message.expiry_s is not None:
            properties["message_expiry_interval"] = message.expiry_s
        self.client.publish(
            message.topic, message.payload, qos=0, retain=message.retain, **properties
        )

    async def goodbye(self) -> None:
        """Disconnect so that no will is published, or cut after a moment."""
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self.client.disconnect()
        except (TimeoutError, OSError) as error:
            _logger.debug("goodbye failed: %s", error)
            self.client.cut()

    def _sent(self, mid: int) -> None:
        assert self._sending is not None
        self.in_flight[mid] = self._sending

    def _acked(self, mid: int) -> None:
        queued = self.in_flight.pop(mid, None)
        if queued is not None:
            self._link.acked(queued)

    def _on_puback(self, command: int, packet: bytes) -> None:
        reason = packet[_PUBACK_REASON_AT] if len(packet) > _PUBACK_REASON_AT else 0
        if reason >= _PUBLISH_REFUSED:
            queued = self.in_flight.pop(int.from_bytes(packet[:_PUBACK_REASON_AT]), None)
            if queued is not None:
                self._link.refused(queued, reason)
        self._take_puback(command, packet)

    # gmqtt calls these with (client, ...) by position; ``rest`` is what follows.

    def _on_connect(self, _client: object, *rest: object) -> None:
        properties = cast("Mapping[str, list[int]]", rest[2])
        limit = properties.get("receive_maximum", [self._settings.window + _RESERVED_PACKET_IDS])
        self.window = max(1, min(self._settings.window, limit[0] - _RESERVED_PACKET_IDS))

    def _on_disconnect(self, _client: object, packet: object, *_rest: object) -> None:
        # A connection that just broke comes as an empty packet, a broken CONNACK as an error.
        reason = packet[0] if isinstance(packet, bytes | bytearray) and packet else None
        self.taken_over = self.taken_over or reason == _SESSION_TAKEN_OVER
        if not self.lost.done():
            self.lost.set_result("connection lost" if reason is None else f"broker: {reason:#x}")

    async def _on_message(self, _client: object, topic: str, payload: bytes, *rest: object) -> int:
        # A coroutine, because gmqtt acknowledges only those; it never awaits, so order holds.
        properties = cast("Mapping[str, object]", rest[1])
        self._link.received(topic, bytes(payload), retain=bool(properties.get("retain")))
        return 0

    def _on_subscribe(self, _client: object, *rest: object) -> None:
        granted = cast("tuple[int, ...]", rest[1])
        if self._suback is not None and not self._suback.done():
            self._suback.set_result(granted)


def _will_message(will: Will) -> gmqtt.Message:
    return gmqtt.Message(
        will.topic,
        will.payload,
        qos=will.qos,
        retain=will.retain,
        will_delay_interval=will.delay_s,
    )
