"""A whole simulated chain: server, broker, hosts, PCs, archive, and who assigns the shards."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import fields
from random import Random
from typing import Final

from actors.placement import shard_of_club
from actors.store import ChainStream, ShardId
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain, MemoryStream
from actors.store_memory_server import MemoryServer
from controller import coordinator
from controller.archive import Archive
from controller.simulation import town
from controller.simulation.business import START_AT_MS, BusinessTime
from controller.simulation.faulty_link import SimulatedBroker, Weather
from controller.simulation.faulty_store import StoreNetwork
from controller.simulation.forgotten import Forgotten
from controller.simulation.machines import ArchiveMachine, HostMachine, PcMachine, Surrounds
from controller.simulation.seating import Seating
from controller.simulation.swarm import CallFate
from controller.simulation.town import PLAIN, Customs
from controller.simulation.virtual_loop import NOWHERE, Process, VirtualLoop, at_once
from controller.simulation.witness import Witness, WitnessedStore

ASSIGN_EVERY_S: Final = 1.0
RESTART_S: Final = 1.0


class _Server(MemoryServer):
    """A server whose channels can be deaf for a while."""

    news_lost = False

    def publish(self, channel: str, message: str) -> None:
        """See ``MemoryServer``."""
        if not self.news_lost:
            super().publish(channel, message)


FateOf = Callable[[Process, str], CallFate]


class World:
    """Needs a running :class:`VirtualLoop`. ``archive`` None: history is not archived."""

    def __init__(
        self,
        *,
        seed: int,
        chain_id: str,
        hosts: int,
        speed: float,
        stepped: bool = False,
        start_at_ms: int = START_AT_MS,
        archive: Archive | None = None,
        customs: Customs = PLAIN,
        fate_of: FateOf = lambda _process, _name: CallFate.SERVED,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.chain_id = chain_id
        self.random = Random(f"{seed}/world")  # noqa: S311 - a simulation's dice
        self.business = BusinessTime(loop, speed=speed, stepped=stepped, start_at_ms=start_at_ms)
        self.network = StoreNetwork(fate_of)
        self.network.crashed = self._crashed
        self.weather = Weather()
        self.broker = SimulatedBroker(loop.time)
        self.server = _Server()
        self.customs = customs
        self.witness = Witness(seating=Seating(customs.parallel_sessions))
        self.restored = False
        self.forgotten = Forgotten()
        self.surrounds = Surrounds(
            loop=loop,
            seed=seed,
            chain_id=chain_id,
            business=self.business,
            network=self.network,
            broker=self.broker,
            weather=self.weather,
            store=self._store_for,
        )
        self.store = self._store_for("")
        town.settle(self.store, chain_id, customs)
        self.hosts = {f"h{n}": HostMachine(f"h{n}", self.surrounds) for n in range(hosts)}
        self.pcs = {seat.pc_id: PcMachine(seat, self.surrounds) for seat in town.SEATS}
        self.archive = archive
        self.archiver = None if archive is None else ArchiveMachine(archive, self.surrounds)
        self.archiver_crashes = 0
        self._assigning = loop.create_task(self._assign())

    @property
    def shards(self) -> tuple[ShardId, ...]:
        """The shards of the clubs."""
        return town.shards(self.chain_id)

    @property
    def news_lost(self) -> bool:
        """Whether the store's channels carry nothing."""
        return self.server.news_lost

    @news_lost.setter
    def news_lost(self, lost: bool) -> None:
        self.server.news_lost = lost

    def news_again(self) -> None:
        """The store's channels carry what is said from now on."""
        self.server.news_lost = False

    def has_archive_from_now(self, archive: Archive) -> None:
        """Archive what has happened, after a life without: nothing has left the store."""
        self.archive = archive
        self.archiver = ArchiveMachine(archive, self.surrounds)

    def owner_of(self, club_id: str) -> str | None:
        """The host that holds the lease of a club's shard."""
        shard = shard_of_club(self.chain_id, club_id)
        owner = at_once(self.store.owners([shard])).get(shard)
        return None if owner is None else owner.host

    def image(self) -> tuple[MemoryChain, Witness]:
        """The store as it is now, to come back to."""
        return copy.deepcopy((self.server.chain(self.chain_id), self.witness))

    def restore(self, image: tuple[MemoryChain, Witness]) -> None:
        """The store is as it was; what was acknowledged since is lost."""
        self.restored = True
        chain, witness = image
        now = self.server.chain(self.chain_id)
        last = [stream.last for stream in _streams(now)]
        _overwrite(now, chain)
        for stream, number in zip(_streams(now), last, strict=True):
            # A real server's ids begin with its clock: none is given twice.
            stream.last = number
        violations = self.witness.violations
        _overwrite(self.witness, witness)
        self.witness.violations = violations
        if self.archive is not None:
            self.forgotten.went_back(
                self.archive,
                self.chain_id,
                {
                    ChainStream.LEDGER: witness.transactions,
                    ChainStream.OUTBOX: witness.events,
                },
            )

    def assign(self, *, shuffled: bool = False) -> None:
        """Give every shard to a live host; ``shuffled`` to any of them."""
        alive = [record.name for record in at_once(self.store.hosts())]
        current = at_once(self.store.assignments())
        wanted = coordinator.assign(alive, self.shards, current)
        if shuffled and alive:
            wanted = {shard: self.random.choice(alive) for shard in self.shards}
        changes = {shard: name for shard, name in wanted.items() if current.get(shard) != name}
        at_once(self.store.assign(changes))

    def later(self, delay_s: float, step: Callable[[], None]) -> None:
        """Do something after so many simulated seconds, whoever is halted then."""
        self.loop.call_later(delay_s, step, context=NOWHERE)

    async def close(self) -> None:
        """End every task of every process, so that nothing is left to be collected."""
        self.network.closed = True
        self._assigning.cancel()

    async def _assign(self) -> None:
        while True:
            self.assign()
            await asyncio.sleep(ASSIGN_EVERY_S)

    def _store_for(self, host: str) -> MemoryStore:
        return WitnessedStore(self.server, self.witness, host=host)

    def _crashed(self, process: Process) -> None:
        """A process died at a call; it is started again a moment later."""
        name = process.name.partition("#")[0]
        machine: HostMachine | ArchiveMachine | None = self.hosts.get(name, self.archiver)
        if machine is None or machine.process is not process:
            return
        # The machine is still inside its own call: it is cleared away from outside.
        self.loop.call_soon(machine.dies, context=NOWHERE)
        self.later(RESTART_S, lambda: None if machine.process else machine.starts())


def _streams(chain: MemoryChain) -> list[MemoryStream]:
    return [*(chain.streams[name] for name in ChainStream), chain.audit]


def _overwrite(target: MemoryChain | Witness, source: MemoryChain | Witness) -> None:
    for field in fields(source):
        setattr(target, field.name, getattr(source, field.name))
