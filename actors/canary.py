"""The canary: a host hears itself over the broker, or it judges nobody.

A connection that stands proves little: a broker may accept what it does not deliver. So the host
sends itself an echo on the connection that brings it the PCs' words. While none comes back, all
silence means nothing.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import structlog

from actors.clock import Clock
from actors.telemetry import Telemetry
from actors.turn import LinkEvent
from schemas.codec import MalformedMessage, decode_as, encode
from schemas.deliveries import echo_message
from schemas.device import Echo
from schemas.link_port import MqttLink
from schemas.topics import echo_topic

ECHO_EVERY_S: Final = 3.0
ECHO_MISSING_MS: Final = 6_000
LATE_MS: Final = 1_000
"""A check later than this was held up by the host itself, and so were the echoes it has not
read yet."""
MS_PER_S: Final = 1_000
LINK_DIGITS: Final = 16

log = structlog.get_logger(__name__)


class Canary:
    """One for a host. ``tell`` is called when the echo goes missing on a standing connection, and
    when it is back."""

    def __init__(
        self,
        link: MqttLink,
        clock: Clock,
        telemetry: Telemetry,
        *,
        link_id: str,
        tell: Callable[[LinkEvent], None],
    ) -> None:
        # Any text names a link; a topic takes only some.
        self._link_id = sha256(link_id.encode()).hexdigest()[:LINK_DIGITS]
        self.topic = echo_topic(self._link_id)
        self.missing = False
        self._link = link
        self._clock = clock
        self._telemetry = telemetry
        self._tell = tell
        self._seq = 0
        self._alive_at_ms = clock.mono_ms()
        link.subscribe(self.topic)

    def connected(self) -> None:
        """A new connection gets as long as any other."""
        self._alive_at_ms = self._clock.mono_ms()
        self.missing = False

    async def run(self) -> None:
        """Sing and listen until cancelled."""
        while True:
            self._sing()
            before_ms = self._clock.mono_ms()
            await asyncio.sleep(ECHO_EVERY_S)
            late_ms = self._clock.mono_ms() - before_ms - int(ECHO_EVERY_S * MS_PER_S)
            if late_ms > LATE_MS:
                self._alive_at_ms += late_ms
            self._check()

    def heard(self, payload: bytes) -> None:
        """An echo came back."""
        try:
            echo = decode_as(Echo, payload)
        except MalformedMessage as error:
            log.warning("echo_malformed", reason=str(error))
            return
        now_ms = self._clock.mono_ms()
        self._alive_at_ms = now_ms
        self._telemetry.echo.observe(max(0, now_ms - echo.sent_mono_ms) / MS_PER_S)
        if self.missing:
            self.missing = False
            log.info("echo_back", topic=self.topic)
            self._tell(LinkEvent.REGAINED)

    def _sing(self) -> None:
        if self._link.connected:
            self._seq += 1
            echo = Echo(seq=self._seq, sent_mono_ms=self._clock.mono_ms())
            self._link.publish(echo_message(self._link_id, encode(echo)))

    def _check(self) -> None:
        silent_ms = self._clock.mono_ms() - self._alive_at_ms
        if self.missing or not self._link.connected or silent_ms < ECHO_MISSING_MS:
            return
        self.missing = True
        log.warning("echo_missing", topic=self.topic, silent_ms=silent_ms)
        self._telemetry.outages.labels("echo").inc()
        self._tell(LinkEvent.LOST)
