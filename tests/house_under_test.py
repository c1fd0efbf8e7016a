"""A small house of real processes: store, broker, a host that can be killed, agents on cables.

The host is the one that Ray would run, in a process of its own; it takes commands as lines of
JSON. The agents are what a club installs, with their files, and count real time.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import orjson
from brokers_under_test import Cable, MosquittoUnderTest
from clubs_under_test import CHAIN, PER_MINUTE, seed
from signing_under_test import key_file
from stores_under_test import running_server

from actors.clock import SystemClock
from actors.signing_keys import load_signing_keys
from actors.store import ChainStream, StoreUnavailableError
from actors.store_redis import RedisStore
from billing_core.tariff import PriceRule, Tier
from controller.embedded import EmbeddedValkey
from pc_daemon.agent_state import MemoryImage
from pc_daemon.clock import SystemClock as PcClock
from pc_daemon.journal import STATE_FILE, USAGE_FILE
from pc_daemon.journal_file import decode_line
from pc_daemon.stored_memory import read_image
from pc_daemon.usage import Entry
from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus
from schemas.device import UsageRecord

STEP_S = 2
"""A minute in this house: what a session by the minute is billed in."""
STEP_MINOR = 10
"""What a step costs."""
CLUB = "north"
HOST = [sys.executable, "-m", "host_process_under_test"]
TESTS = Path(__file__).parent

AGENT = """
from pc_daemon.main import run_agent
from pc_daemon.settings import AgentSettings
run_agent(AgentSettings())
"""


@dataclass
class AgentProcess:
    """One PC: its agent in a process of its own, on a cable that can be cut."""

    pc_id: str
    cable: Cable
    folder: Path
    keys_file: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "CLUBCTL_PC_CHAIN_ID": CHAIN,
            "CLUBCTL_PC_CLUB_ID": CLUB,
            "CLUBCTL_PC_PC_ID": self.pc_id,
            "CLUBCTL_PC_MQTT_URL": f"mqtt://127.0.0.1:{self.cable.port}",
            "CLUBCTL_PC_KEYS_FILE": str(self.keys_file),
            "CLUBCTL_PC_STATE_DIR": str(self.folder),
            "CLUBCTL_PC_HEARTBEAT_S": "0.5",
        }
        self.running = subprocess.Popen([sys.executable, "-c", AGENT], env=environment)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        process, self.running = self.running, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)

    def entries(self) -> list[Entry]:
        """What its journal holds, acknowledged or not gone yet."""
        path = self.folder / USAGE_FILE
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [entry for entry in map(decode_line, lines) if entry is not None]

    def locked_at_ms(self) -> int | None:
        """When its boot clock said that the last stretch of service was over, as UTC now."""
        records = [one for one in self.entries() if isinstance(one, UsageRecord)]
        if not records:
            return None
        now = PcClock().now()
        return now.wall_ms - (now.boot_ms - records[-1].ended_boot_ms)

    def memory(self) -> MemoryImage | None:
        """What it wrote down last."""
        path = self.folder / STATE_FILE
        return read_image(path.read_bytes()) if path.exists() else None

    @property
    def is_open(self) -> bool:
        """Whether it believes to serve somebody, by what it wrote down last."""
        memory = self.memory()
        return memory is not None and memory.stretch is not None


@dataclass
class House:
    """Everything that runs, and the store beside it."""

    folder: Path
    server: EmbeddedValkey
    broker: MosquittoUnderTest
    store: RedisStore
    keys: Path
    host: "asyncio.subprocess.Process | None" = None
    agents: list[AgentProcess] = field(default_factory=list)
    _keys: "count[int]" = field(default_factory=count)

    async def start_host(self) -> None:
        """Returns when the host answers."""
        self.host = await asyncio.create_subprocess_exec(
            *HOST,
            self.server.url,
            f"mqtt://127.0.0.1:{self.broker.port}",
            str(self.keys),
            env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.host.stdout is not None
        while await self.host.stdout.readline() != b"ready\n":
            assert self.host.returncode is None

    async def kill_host(self) -> None:
        """As ``kill -9`` does."""
        host, self.host = self.host, None
        if host is not None:
            host.kill()
            await host.wait()

    async def command(self, **command: object) -> CommandReply:
        """A command of the desk, which must succeed."""
        key = f"key-{next(self._keys)}"
        envelope = CommandEnvelope.model_validate(
            {
                "idempotency_key": key,
                "fingerprint": key,
                "principal": "desk",
                "chain_id": CHAIN,
                "club_id": CLUB,
                "command": command,
            }
        )
        assert self.host is not None
        assert self.host.stdin is not None
        assert self.host.stdout is not None
        self.host.stdin.write(envelope.model_dump_json().encode() + b"\n")
        while not (line := await self.host.stdout.readline()).startswith(b"{"):
            assert self.host.returncode is None
        reply = CommandReply.model_validate_json(line)
        assert reply.status is ReplyStatus.OK, reply
        return reply

    async def agent(self, pc_id: str) -> AgentProcess:
        """A PC that has just been enrolled and switched on."""
        cable = Cable(self.broker.port)
        await cable.mend()
        folder = self.folder / pc_id
        folder.mkdir()
        keys_file = folder / "keys.json"
        public = load_signing_keys(self.keys).public
        keys_file.write_text(public.model_dump_json(exclude_none=True))
        keys_file.chmod(0o600)
        agent = AgentProcess(pc_id, cable, folder, keys_file)
        self.agents.append(agent)
        agent.start()
        return agent

    async def tile(self, pc_id: str) -> dict[str, object]:
        """A PC as the hall shows it."""
        try:
            _, tiles = await self.store.hall(CHAIN, CLUB)
        except StoreUnavailableError:
            return {}
        decoded: dict[str, object] = orjson.loads(tiles[pc_id]) if pc_id in tiles else {}
        return decoded

    async def play(self, player_id: str, pc_id: str, *, steps: int) -> str:
        """Seat a player who has paid for so many steps; the session's id."""
        session_id = f"ses-{player_id}"
        await self.command(
            kind="top_up_wallet", player_id=player_id, amount_minor=steps * STEP_MINOR
        )
        await self.command(
            kind="create_session",
            session_id=session_id,
            pc_id=pc_id,
            tariff_id=PER_MINUTE.id,
            player_id=player_id,
            start=True,
        )
        return session_id

    async def session(self, session_id: str) -> dict[str, object]:
        """A session as it is kept, running or over."""
        found: list[bytes] = [
            one.blob
            for one in await self.store.all_entities(CHAIN)
            if one.key == f"session:{session_id}"
        ]
        closed = await self.store.closed_sessions(CHAIN)
        over = [orjson.loads(one.blob)["state"] for one in closed if one.key == session_id]
        decoded: dict[str, object] = (over or [orjson.loads(one) for one in found])[0]
        return decoded

    async def ledger(self, session_id: str, player_id: str) -> list[object]:
        """What a session cost, entry by entry, with names that are those of any like it."""
        entries = await self.store.stream(CHAIN, ChainStream.LEDGER, count=10_000)
        raw = [entry.payload.replace(session_id.encode(), b"SESSION") for entry in entries]
        raw = [one.replace(player_id.encode(), b"PLAYER") for one in raw if b"SESSION" in one]
        found = [orjson.loads(one) for one in raw]
        return [{name: one[name] for name in ("id", "kind", "entries")} for one in found]


@asynccontextmanager
async def running_house(
    folder: Path, *, club_terms: Mapping[str, object] | None = None
) -> AsyncIterator[House]:
    """Store, broker and host, with a chain whose minutes last ``STEP_S``."""
    keys = key_file(folder)
    broker = MosquittoUnderTest(folder)
    await broker.start()
    with running_server(folder / "store") as server:
        store = RedisStore.open(server.url)
        house = House(folder, server, broker, store, keys)
        try:
            await seed(store, club_terms=club_terms)
            prices = (PriceRule("all", tiers=(Tier(0, STEP_MINOR * 3_600 // STEP_S),)),)
            quick = replace(PER_MINUTE, billing_step_seconds=STEP_S, prices=prices)
            field_name = f"tariff:{quick.id}:{quick.version}"
            await store.put(CHAIN, {field_name: orjson.dumps(quick)})
            await house.start_host()
            yield house
        finally:
            for agent in house.agents:
                agent.kill()
                await agent.cable.cut()
            await house.kill_host()
            await store.close()
            await broker.aclose()


def utc_ms() -> int:
    """The machine's UTC."""
    return SystemClock().wall_ms()
