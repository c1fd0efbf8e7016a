"""A broker and its links inside one process: the twin that passes the link's contract tests."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from schemas.link_port import LinkHost, LinkSettings, LinkStats, Outgoing, Will
from schemas.outbox import Outbox, Queued

MAX_SESSION_QUEUE: Final = 10_000
MAX_MATCHES_KNOWN: Final = 4_096
KEEPALIVES_MISSED: Final = 1.5
"""After so many of its keepalives a silent client is gone, as MQTT has it."""


@dataclass(slots=True)
class _Session:
    """What the broker keeps for one client id, connected or not."""

    filters: set[str] = field(default_factory=set)
    queue: deque[Queued] = field(default_factory=lambda: deque(maxlen=MAX_SESSION_QUEUE))
    link: "MemoryLink | None" = None
    will: Will | None = None
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def keep_alive(self) -> None:
        """The client is back: neither its will nor the end of its session is due any more."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class MemoryBroker:
    """Routes QoS 0 and 1, retains, publishes wills, resumes sessions; can be stopped and lost."""

    def __init__(self, mono_s: Callable[[], float]) -> None:
        self.mono_s = mono_s
        self.retained: dict[str, Outgoing] = {}
        self._sessions: dict[str, _Session] = {}
        self._subscribers: dict[str, list[_Session]] = {}
        self._waiting: dict[str, MemoryLink] = {}
        self._running = True

    def start(self) -> None:
        """Accept connections; links that were waiting connect."""
        self._running = True
        waiting, self._waiting = self._waiting, {}
        for link in waiting.values():
            self.attach(link)

    def stop(self, *, lose_state: bool = True) -> None:
        """Break every connection; ``lose_state`` forgets sessions and retained messages too."""
        self._running = False
        connected = [session.link for session in self._sessions.values() if session.link]
        for session in self._sessions.values():
            session.keep_alive()
            session.link = None
        if lose_state:
            self._sessions.clear()
            self._subscribers.clear()
            self.retained.clear()
        for link in connected:
            link.lost("broker stopped")
            self._waiting[link.client_id] = link

    def attach(self, link: "MemoryLink") -> None:
        """Connect a link now, or when the broker runs again; an older one of its id is cut."""
        if not self._running:
            self._waiting[link.client_id] = link
            return
        session = self._sessions.setdefault(link.client_id, _Session())
        previous, session.link = session.link, link
        if previous is not None and previous is not link:
            previous.lost("broker: 0x8e")
        session.keep_alive()
        session.will = link.next_will()
        link.opened()
        queue, session.queue = session.queue, deque(maxlen=MAX_SESSION_QUEUE)
        for queued in queue:
            if queued.expires_at_s is None or queued.expires_at_s > self.mono_s():
                link.deliver(queued.message, retain=False)

    def detach(
        self, link: "MemoryLink", *, session_expiry_s: int, goodbye: bool, silent_s: float
    ) -> None:
        """Forget a connection; without ``goodbye`` its will is published after the delay.

        It is found to be gone only after ``silent_s``.
        """
        self._waiting.pop(link.client_id, None)
        session = self._sessions.get(link.client_id)
        if session is None or session.link is not link:
            return
        session.link = None
        loop = asyncio.get_running_loop()
        if session.will is not None and not goodbye:
            delay_s = min(session.will.delay_s, session_expiry_s)
            session.timers.append(
                loop.call_later(silent_s + delay_s, self._publish_will, session.will)
            )
        gone_s = silent_s + session_expiry_s
        session.timers.append(loop.call_later(gone_s, self._forget, link.client_id))

    def subscribe(self, link: "MemoryLink", topic_filter: str) -> None:
        """Add a filter and deliver what is retained under it."""
        self._sessions[link.client_id].filters.add(topic_filter)
        self._subscribers.clear()
        for topic, message in list(self.retained.items()):
            if _matches(topic_filter, topic):
                link.deliver(message, retain=True)

    def unsubscribe(self, link: "MemoryLink", topic_filter: str) -> None:
        """Remove a filter."""
        self._sessions[link.client_id].filters.discard(topic_filter)
        self._subscribers.clear()

    def route(self, message: Outgoing) -> None:
        """Deliver to every session that asked for the topic; queue QoS 1 for those away."""
        if message.retain and message.payload:
            self.retained[message.topic] = message
        elif message.retain:
            self.retained.pop(message.topic, None)
        expires_at_s = None if message.expiry_s is None else self.mono_s() + message.expiry_s
        for session in self._subscribed(message.topic):
            if session.link is not None:
                session.link.deliver(message, retain=False)
            elif message.qos > 0:
                session.queue.append(Queued(message, expires_at_s))

    def _subscribed(self, topic: str) -> "list[_Session]":
        """Sessions that asked for a topic, in the order they began; known until one changes."""
        found = self._subscribers.get(topic)
        if found is None:
            found = self._subscribers[topic] = [
                session
                for session in self._sessions.values()
                if any(_matches(name, topic) for name in session.filters)
            ]
        return found

    def _forget(self, client_id: str) -> None:
        self._sessions.pop(client_id, None)
        self._subscribers.clear()

    def _publish_will(self, will: Will) -> None:
        if self._running:
            self.route(Outgoing(will.topic, will.payload, qos=will.qos, retain=will.retain))


class MemoryLink:
    """``MqttLink`` over a ``MemoryBroker``. Deliveries and acknowledgements take a loop step."""

    def __init__(
        self,
        settings: LinkSettings,
        host: LinkHost,
        *,
        broker: MemoryBroker,
        will: Callable[[], Will | None] = lambda: None,
    ) -> None:
        self.client_id = settings.client_id
        self.next_will = will
        self._settings = settings
        self._host = host
        self._broker = broker
        self._stats = LinkStats()
        self._outbox = Outbox(settings.max_outbox, self._stats)
        self._filters: dict[str, None] = {}
        self._unacked = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._started = False
        self._up = False

    @property
    def connected(self) -> bool:
        """See ``MqttLink``."""
        return self._up

    @property
    def stats(self) -> LinkStats:
        """See ``MqttLink``."""
        return self._stats

    def start(self) -> None:
        """See ``MqttLink``."""
        if not self._started:
            self._started = True
            asyncio.get_running_loop().call_soon(self._connect)

    def publish(self, message: Outgoing) -> bool:
        """See ``MqttLink``."""
        if message.qos == 0:
            if not self._up:
                self._stats.rejected += 1
                return False
            self._stats.published += 1
            self._broker.route(message)
            return True
        accepted = self._outbox.offer(message, self._broker.mono_s())
        if accepted:
            self._drained.clear()
            self._pump()
        return accepted

    def subscribe(self, topic_filter: str) -> None:
        """See ``MqttLink``."""
        known = topic_filter in self._filters
        self._filters[topic_filter] = None
        if self._up and not known:
            self._broker.subscribe(self, topic_filter)

    def unsubscribe(self, topic_filter: str) -> None:
        """See ``MqttLink``."""
        self._filters.pop(topic_filter, None)
        if self._up:
            self._broker.unsubscribe(self, topic_filter)

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
        self._leave(goodbye=True)

    async def abort(self) -> None:
        """See ``MqttLink``."""
        self._leave(goodbye=False)

    async def silence(self) -> None:
        """See ``MqttLink``."""
        self._leave(goodbye=False, silent_s=KEEPALIVES_MISSED * self._settings.keepalive_s)

    def opened(self) -> None:
        """Called by the broker once the connection stands."""
        for topic_filter in self._filters:
            self._broker.subscribe(self, topic_filter)
        self._stats.connects += 1
        self._up = True
        self._guarded(self._host.on_connected)
        self._pump()

    def lost(self, reason: str) -> None:
        """Called by the broker when it breaks the connection."""
        if self._up:
            self._up = False
            self._guarded(lambda: self._host.on_disconnected(reason))

    def deliver(self, message: Outgoing, *, retain: bool) -> None:
        """Called by the broker for every message; the host gets it in a later loop step."""

        def arrive() -> None:
            self._stats.received += 1
            self._guarded(lambda: self._host.on_message(message.topic, message.payload, retain))

        asyncio.get_running_loop().call_soon(arrive)

    def _connect(self) -> None:
        if self._started and not self._up:
            self._broker.attach(self)

    def _leave(self, *, goodbye: bool, silent_s: float = 0.0) -> None:
        self._started = False
        self._broker.detach(
            self,
            session_expiry_s=self._settings.session_expiry_s,
            goodbye=goodbye,
            silent_s=silent_s,
        )
        self.lost("closed here")

    def _pump(self) -> None:
        while self._up and (queued := self._outbox.take(self._broker.mono_s())) is not None:
            self._stats.published += 1
            self._unacked += 1
            self._broker.route(queued.message)
            asyncio.get_running_loop().call_soon(self._acked, queued)
        self._settle()

    def _acked(self, queued: Queued) -> None:
        self._unacked -= 1
        self._stats.acked += 1
        if queued.message.on_acked is not None:
            self._guarded(queued.message.on_acked)
        self._settle()

    def _settle(self) -> None:
        if not self._unacked and not len(self._outbox):
            self._drained.set()

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - a host's defect must not stop the link
            self._stats.callback_errors += 1
            self._stats.last_error = f"{type(error).__name__}: {error}"


@lru_cache(MAX_MATCHES_KNOWN)
def _matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        return levels[: len(wanted) - 1] == wanted[:-1]
    return len(wanted) == len(levels) and all(
        name in ("+", level) for name, level in zip(wanted, levels, strict=True)
    )
