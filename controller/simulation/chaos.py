"""Mishaps at random instants, each with its own end."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from controller.simulation.machines import KEEPALIVE_S
from controller.simulation.swarm import CallFate, Mishap, Swarm
from controller.simulation.virtual_loop import Process
from controller.simulation.world import World
from schemas.deliveries import WILL_DELAY_S

HOUR_MS: Final = 3_600_000
REBOOTED_SHARE: Final = 0.3
PLAYED_SHARE: Final = 0.8
NOTICED_SHARE: Final = 0.8
SLEW_MS: Final = 1_500
"""How far a host's wall clock may be off: what time synchronisation leaves."""


def fates(swarm: Swarm) -> Callable[[Process, str], CallFate]:
    """Fates of calls to the store, by the swarm's chances."""
    chances = [(fate, chance) for fate, chance in swarm.calls if chance]
    total = sum(chance for _, chance in chances)

    def fate_of(process: Process, _name: str) -> CallFate:
        drawn = process.random.random()
        if drawn >= total:
            return CallFate.SERVED
        for fate, chance in chances:
            if drawn < chance:
                return fate
            drawn -= chance
        return CallFate.SERVED

    return fate_of


class Chaos:
    """Makes things go wrong until stopped, then puts everything right."""

    def __init__(self, world: World, swarm: Swarm) -> None:
        self._world = world
        self._swarm = swarm
        self._images = [world.image()]
        self._ended = False
        self._until_s = 0.0

    async def run(self) -> None:
        """Mishaps for as long as the swarm says."""
        world, swarm = self._world, self._swarm
        world.weather.loss = swarm.message_loss
        world.weather.twice = swarm.message_twice
        world.weather.delay_s = swarm.message_delay_s
        world.network.delay_s = swarm.store_delay_s
        world.network.fate_of = fates(swarm)
        until_s = self._until_s = world.loop.time() + swarm.chaos_s
        while world.loop.time() < until_s:
            await asyncio.sleep(world.random.expovariate(1 / swarm.mishap_every_s))
            if swarm.mishaps:
                _MISHAPS[world.random.choice(swarm.mishaps)](self)
            if swarm.restores:
                self._images = [*self._images[-3:], world.image()]
        self.ends()

    def ends(self) -> None:
        """Everything runs, everybody is plugged in, nothing is lost any more."""
        self._ended = True
        world = self._world
        world.weather.loss = world.weather.twice = world.weather.delay_s = 0.0
        world.network.heal()
        world.network.fate_of = lambda _process, _name: CallFate.SERVED
        world.broker.start()
        world.news_again()
        for host in world.hosts.values():
            host.thaws()
            if not host.alive:
                host.starts()
            if host.clock is not None:
                host.clock.offset_ms = 0
        for pc in world.pcs.values():
            pc.thaws()
            pc.plugs()
            if pc.clock is not None:
                pc.clock.offset_ms = 0
        if world.archiver is not None and world.archiver.process is None:
            world.archiver.starts()

    def _for_a_while(self, ends: Callable[[], None], *, most_s: float) -> None:
        """Undo a mishap later, unless everything is put right before."""
        self._later(self._world.random.uniform(0.2, most_s), ends)

    def _for_long_enough(self, ends: Callable[[], None], *, noticed_s: float) -> None:
        """Undo what befell a PC, mostly when others have noticed, if there is time left for it."""
        world = self._world
        left_s = self._until_s - world.loop.time()
        delay_s = world.random.uniform(0.2, noticed_s)
        if left_s > noticed_s and world.random.random() < NOTICED_SHARE:
            delay_s = world.random.uniform(noticed_s, left_s)
        self._later(delay_s, ends)

    def _later(self, delay_s: float, ends: Callable[[], None]) -> None:
        self._world.later(delay_s, lambda: None if self._ended else ends())

    def _host(self) -> str:
        return self._world.random.choice(sorted(self._world.hosts))

    def _pc(self) -> str:
        return self._world.random.choice(sorted(self._world.pcs))

    def _played_on(self) -> str:
        """Mostly where the same one has played for longest: only there it matters."""
        pcs = self._world.pcs
        played = sorted(name for name, pc in pcs.items() if pc.is_open)
        if played and self._world.random.random() < PLAYED_SHARE:
            return max(played, key=lambda name: pcs[name].faithful)
        return self._pc()

    def kill_host(self) -> None:
        """kill -9; something starts it again."""
        host = self._world.hosts[self._host()]
        host.dies()
        self._for_a_while(lambda: None if host.alive else host.starts(), most_s=8.0)

    def freeze_host(self) -> None:
        """It stands still, past its lease or not, and goes on."""
        host = self._world.hosts[self._host()]
        host.freezes()
        self._for_a_while(host.thaws, most_s=20.0)

    def move_shards(self) -> None:
        """The coordinator changes its mind."""
        self._world.assign(shuffled=True)

    def cut_store(self) -> None:
        """One host does not reach the store."""
        world = self._world
        world.network.cut(self._host(), world.loop.time() + world.random.uniform(0.5, 15.0))

    def stop_store(self) -> None:
        """Nobody reaches the store."""
        world = self._world
        world.network.cut(None, world.loop.time() + world.random.uniform(0.5, 15.0))

    def restore_store(self) -> None:
        """A replica that lags is promoted, or a backup is put back."""
        self._world.restore(self._world.random.choice(self._images))
        self._images = [self._world.image()]

    def stop_broker(self) -> None:
        """The broker is away and comes back as it was."""
        self._world.broker.stop(lose_state=False)
        self._for_a_while(self._world.broker.start, most_s=10.0)

    def lose_broker(self) -> None:
        """The broker comes back empty."""
        self._world.broker.stop(lose_state=True)
        self._for_a_while(self._world.broker.start, most_s=10.0)

    def unplug_pc(self) -> None:
        """Somebody trips over a cable."""
        pc = self._world.pcs[self._pc()]
        pc.unplugs()
        self._for_a_while(pc.plugs, most_s=25.0)

    def power_cut(self) -> None:
        """A PC is dark and boots again."""
        pc = self._world.pcs[self._played_on()]
        pc.loses_power()
        self._for_long_enough(pc.plugs, noticed_s=WILL_DELAY_S + 1)

    def freeze_pc(self) -> None:
        """A PC stands still with whoever plays there; now and then it is switched off and on."""
        pc = self._world.pcs[self._played_on()]
        pc.freezes()
        ends = pc.reboots if self._world.random.random() < REBOOTED_SHARE else pc.thaws
        self._for_long_enough(ends, noticed_s=KEEPALIVE_S + WILL_DELAY_S + 1)

    def set_pc_clock(self) -> None:
        """Somebody sets the clock of a PC by up to an hour."""
        offset_ms = self._world.random.randint(-HOUR_MS, HOUR_MS)
        self._world.pcs[self._pc()].sets_clock(offset_ms)

    def slew_host_clock(self) -> None:
        """The wall clock of a host is a little off."""
        clock = self._world.hosts[self._host()].clock
        if clock is not None:
            clock.offset_ms = self._world.random.randint(-SLEW_MS, SLEW_MS)

    def kill_archive(self) -> None:
        """The archive's worker dies between two steps."""
        archiver = self._world.archiver
        if archiver is not None and archiver.process is not None:
            archiver.dies()
            self._for_a_while(lambda: None if archiver.process else archiver.starts(), most_s=5.0)

    def lose_news(self) -> None:
        """What the store's channels carried is lost."""
        self._world.news_lost = True
        self._for_a_while(self._world.news_again, most_s=20.0)


_MISHAPS: Final[Mapping[Mishap, Callable[[Chaos], None]]] = MappingProxyType(
    {mishap: getattr(Chaos, mishap.value) for mishap in Mishap}
)
