"""The link's twin over a network that loses, repeats, delays and reorders what it delivers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from controller.simulation.virtual_loop import Process, at_once
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkHost, LinkSettings, Outgoing, Will

Delivered = Callable[[Outgoing], None]


@dataclass(slots=True)
class Weather:
    """How bad the network is now; chances per message, delay at most so long."""

    loss: float = 0.0
    twice: float = 0.0
    delay_s: float = 0.0


class SimulatedBroker(MemoryBroker):
    """Nobody who stands still connects."""

    def attach(self, link: MemoryLink) -> None:
        """See ``MemoryBroker``."""
        if isinstance(link, FaultyLink) and link.is_halted:
            self._waiting[link.client_id] = link
        else:
            super().attach(link)

    def attend(self, link: MemoryLink) -> None:
        """It moves again: connect it if it waits for that."""
        if self._waiting.pop(link.client_id, None) is link:
            self.attach(link)


class FaultyLink(MemoryLink):
    """A link whose owner is one simulated process: what it is told, it is told in its own time."""

    def __init__(
        self,
        process: Process,
        host: LinkHost,
        *,
        broker: MemoryBroker,
        weather: Weather,
        will: Callable[[], Will | None] = lambda: None,
        delivered: Delivered = lambda _message: None,
    ) -> None:
        settings = LinkSettings(host="simulated", port=1, client_id=process.name.partition("#")[0])
        super().__init__(settings, host, broker=broker, will=will)
        self._process = process
        self._weather = weather
        self._delivered = delivered

    @property
    def is_halted(self) -> bool:
        """Whether its owner stands still."""
        return self._process.halted

    def deliver(self, message: Outgoing, *, retain: bool) -> None:
        """See ``MemoryLink``."""
        weather, random = self._weather, self._process.random
        if weather.loss and random.random() < weather.loss:
            return
        copies = 2 if weather.twice and random.random() < weather.twice else 1
        for _ in range(copies):
            delay_s = random.random() ** 3 * weather.delay_s
            asyncio.get_running_loop().call_later(
                delay_s, self._arrive, message, retain, context=self._process.context.copy()
            )

    def cut(self) -> None:
        """The cable is out, or the machine is dead: no goodbye."""
        at_once(self.abort())

    def _arrive(self, message: Outgoing, retain: bool) -> None:  # noqa: FBT001
        if not self.connected:
            return
        self.stats.received += 1
        self._delivered(message)
        super()._guarded(lambda: self._host.on_message(message.topic, message.payload, retain))

    def _guarded(self, callback: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(super()._guarded, callback, context=self._process.context.copy())
