"""The MQTT link as both ends see it: what it promises, its settings, and when it tries again.

A link keeps one connection alive for as long as it is started. QoS 1 messages wait in a bounded
outbox until the broker has acknowledged them, across any number of connections: each is
delivered at least once. Order holds per topic unless a connection is lost in between.
A broker may acknowledge what its access rules then drop. Where it says so it is counted; in any
case whatever matters is confirmed by the application (``reported``, ``res``, ``ack``), never by
the link alone.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from schemas.hot_value import hot_value

MAX_OUTBOX: Final = 10_000
MAX_WINDOW: Final = 64
MAX_PACKET_BYTES: Final = 64 * 1024


@hot_value(frozen=True, slots=True)
class Outgoing:
    """One message to publish. ``on_acked`` runs when the broker acknowledged it (QoS 1).

    ``expiry_s`` is a matter between broker and subscribers. ``held_s`` is for the link alone: a
    message is not sent, nor sent again, longer after it was published; by then its sender may no
    longer be the one to say it.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    held_s: float | None = None
    on_acked: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us ``delay_s`` after our connection broke without a goodbye."""

    topic: str
    payload: bytes
    delay_s: int
    qos: int = 1
    retain: bool = True


class LinkHost(Protocol):
    """Who uses a link. All are called synchronously on the loop and must not block."""

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:  # noqa: FBT001
        """Take one message, in order of arrival. Whatever it raises is counted and dropped."""

    def on_connected(self) -> None:
        """Every subscription is in force; what is published now goes out after the outbox."""

    def on_disconnected(self, reason: str) -> None:
        """The connection is gone; the link is already trying again unless it was closed."""


class MqttLink(Protocol):
    """One client of a broker."""

    @property
    def connected(self) -> bool:
        """A broker has accepted us and our subscriptions, and has not been lost since."""

    @property
    def stats(self) -> "LinkStats":
        """Counters since the link was made."""

    def start(self) -> None:
        """Begin to connect, in the running loop. Does nothing when already started."""

    def publish(self, message: Outgoing) -> bool:
        """Accept a message or say False: the outbox is full, or QoS 0 without a connection.

        A retained message takes the place of an unsent one on its topic.
        """

    def subscribe(self, topic_filter: str) -> None:
        """Hear ``topic_filter`` at QoS 1, now and after every reconnect."""

    def unsubscribe(self, topic_filter: str) -> None:
        """Stop hearing ``topic_filter``."""

    async def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is unacknowledged; False when ``timeout_s`` passed first."""

    async def close(self) -> None:
        """Say goodbye (no will) and stop for good."""

    async def abort(self) -> None:
        """Cut the connection without a goodbye and stay away until ``start`` (the will fires)."""

    async def silence(self) -> None:
        """Neither say nor hear anything more until ``start``, and let the broker find out itself.

        As a PC whose cable was pulled: the will fires once the keepalive has passed.
        """


@dataclass(slots=True)
class LinkStats:
    """What a link has seen."""

    connects: int = 0
    failures: int = 0
    published: int = 0
    acked: int = 0
    received: int = 0
    redelivered: int = 0
    """Sent again because a connection was lost before the acknowledgement."""
    refused: int = 0
    """Answered by the broker with a refusal: its rules do not let us say this."""
    rejected: int = 0
    expired: int = 0
    superseded: int = 0
    callback_errors: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A broker's user; the password never shows in a repr."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """When to try again. Full jitter between 0 and the ceiling of the attempt.

    A connection shorter than ``short_life_s`` is suspect: after ``contested_after`` of them in a
    row another client probably owns our id, and we leave it the field for ``contested_s``.

    A broker that refuses us may only not know yet what the club has just decided, so the first
    refusals cost ``refused_s`` and twice that; one that stays with it costs ``contested_s``.
    """

    base_s: float = 1.0
    cap_s: float = 30.0
    short_life_s: float = 2.0
    contested_after: int = 3
    contested_s: float = 60.0
    refused_s: float = 2.0


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where and as whom to connect. ``session_expiry_s`` must exceed the will's delay."""

    host: str
    port: int
    client_id: str
    credentials: Credentials | None = None
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 15
    session_expiry_s: int = 300
    connect_timeout_s: float = 5.0
    window: int = MAX_WINDOW
    max_outbox: int = MAX_OUTBOX
    backoff: BackoffPolicy = BackoffPolicy()


class Ending(StrEnum):
    """How an attempt to be connected ended."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """The broker will not have us: wrong credentials, banned, id not allowed."""
    TAKEN_OVER = "taken-over"
    LOST = "lost"


class Backoff:
    """Delays between attempts; state of one link."""

    def __init__(self, policy: BackoffPolicy, random: Random) -> None:
        self._policy = policy
        self._random = random
        self._attempt = 0
        self._short_lives = 0
        self._refusals = 0

    def delay_s(self, ending: Ending, lived_s: float) -> float:
        """Seconds to stay away after an attempt that ended so, having been up ``lived_s``."""
        policy = self._policy
        is_short = lived_s < policy.short_life_s
        if ending is Ending.LOST:
            self._attempt = 0
            self._short_lives = self._short_lives + 1 if is_short else 0
            # A broker that lets us in and drops us at once has not made its peace with us.
            self._refusals = self._refusals if is_short else 0
        if ending is Ending.REFUSED:
            return self._half_jittered_s(self._refused_ceiling_s())
        if ending is Ending.TAKEN_OVER or self._short_lives >= policy.contested_after:
            self._short_lives = 0
            return self._half_jittered_s(policy.contested_s)
        ceiling_s = min(policy.cap_s, policy.base_s * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 30)
        return ceiling_s * self._random.random()

    def _refused_ceiling_s(self) -> float:
        policy = self._policy
        ceiling_s = min(policy.contested_s, policy.refused_s * 2.0**self._refusals)
        self._refusals = min(self._refusals + 1, 30)
        return ceiling_s

    def _half_jittered_s(self, ceiling_s: float) -> float:
        return ceiling_s * (0.5 + self._random.random() / 2)


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker as an operator writes it down."""

    host: str
    port: int
    tls: bool
    credentials: Credentials | None


def parse_mqtt_url(url: str) -> BrokerAddress:
    """Read ``mqtt[s]://[user:password@]host[:port]``. Raises ``ValueError`` without the secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError("MQTT url must be mqtt[s]://[user:password@]host[:port]")
    tls = parts.scheme == "mqtts"
    credentials = None
    if parts.username is not None:
        credentials = Credentials(unquote(parts.username), unquote(parts.password or ""))
    port = parts.port or (8883 if tls else 1883)
    return BrokerAddress(host=parts.hostname, port=port, tls=tls, credentials=credentials)
