"""The API on a real socket, over a seeded chain, for what several folders' tests share."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import uvicorn
from documented_answers import documented
from fastapi import FastAPI

from actors.clock import Clock, ManualClock, SystemClock
from actors.gateway import CommandGateway
from actors.placement import shard_of_club
from actors.store import HallWrite, Ownership, Store, Unit
from controller.api.app import create_app
from controller.api.auth import ApiKey, CookieSigner, Gate, KeyRing, digest_of
from controller.api.dependencies import ApiDependencies
from controller.api.serve import KEEP_ALIVE_S
from controller.api.tokens import TokenReader
from schemas.catalogue import ClubDocument, PcDocument, PlayerDocument, ZoneDocument
from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus
from schemas.views import HallTile, LinkState, UseState

CHAIN = "chain-a"
CLUB = "club-1"
KEY = "key-of-chain-a"
OTHER_CHAIN = "chain-b"
OTHER_KEY = "key-of-chain-b"
COOKIE_SECRET = b"a secret of at least thirty-two bytes"
START_MS = 1_780_000_000_000


@dataclass
class ScriptedGateway:
    """Answers each command with the next reply, once ``gate`` is open; remembers what came."""

    replies: list[CommandReply] = field(default_factory=list)
    seen: list[CommandEnvelope] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def execute(
        self,
        envelope: CommandEnvelope,
        *,
        timeout_ms: int = 8_000,  # noqa: ARG002 - the port has it
    ) -> CommandReply:
        self.seen.append(envelope)
        await self.gate.wait()
        return self.replies.pop(0) if self.replies else CommandReply(status=ReplyStatus.BUSY)


def dependencies(
    store: Store,
    gateway: CommandGateway,
    *,
    clock: Clock | None = None,
    heartbeat_ms: int = 15_000,
    coalesce_ms: int = 20,
    keys: Sequence[ApiKey] = (),
    tokens: TokenReader | None = None,
) -> ApiDependencies:
    """The API's surroundings in a test: two chains' keys, ids that count."""
    ring = KeyRing(
        [
            ApiKey(CHAIN, "front-desk", digest_of(KEY)),
            ApiKey(OTHER_CHAIN, "elsewhere", digest_of(OTHER_KEY)),
            *keys,
        ]
    )
    numbers = itertools.count(1)
    return ApiDependencies(
        store=store,
        gateway=gateway,
        gate=Gate(ring, CookieSigner(COOKIE_SECRET, ring)),
        clock=clock or ManualClock(START_MS),
        real_clock=SystemClock(),
        draw_id=lambda: f"ses-{next(numbers)}",
        draw_secret=lambda: next(numbers).to_bytes(32),
        code_secret=COOKIE_SECRET,
        tokens=tokens,
        heartbeat_ms=heartbeat_ms,
        coalesce_ms=coalesce_ms,
    )


@asynccontextmanager
async def serving(app: FastAPI, *, port: int = 0) -> AsyncIterator[str]:
    """The application behind uvicorn on a free port; yields its address."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", ws="none", timeout_keep_alive=KEEP_ALIVE_S
    )
    server = uvicorn.Server(config)
    with suppress(asyncio.CancelledError):
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - the server offers nothing to wait for
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            app.state.rooms.live.close()
            server.should_exit = True
            await running


HELD: dict[str, list[Any]] = {"response": [documented]}
"""Hooks of a client that takes no answer the document does not know."""


@asynccontextmanager
async def client_of(
    given: ApiDependencies, key: str | None = KEY
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, with a key unless told otherwise; it takes no answer that the document
    does not know."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        serving(create_app(given)) as address,
        httpx.AsyncClient(
            base_url=address,
            headers=headers,
            trust_env=False,
            timeout=20,
            event_hooks=HELD,
        ) as client,
    ):
        yield client


def _hourly(price_minor: int) -> list[dict[str, int]]:
    return [{"from_minutes": 0, "price_per_hour_minor": price_minor}]


def tariff_document(tariff_id: str, name: str, **changes: object) -> bytes:
    """A per-minute tariff as the catalogue keeps it."""
    document = {
        "v": 1,
        "id": tariff_id,
        "version": 1,
        "name": name,
        "type": "PER_MINUTE",
        "status": "ACTIVE",
        "currency": "EUR",
        "prices": [
            {"name": "VIP", "zones": ["vip"], "tiers": _hourly(24_000)},
            {"name": "any", "tiers": _hourly(12_000)},
        ],
    }
    return orjson.dumps(document | changes)


async def seed_chain(store: Store, chain_id: str = CHAIN, *, pcs: int = 4) -> None:
    """One club, two zones, two tariffs and three players."""
    club = ClubDocument(club_id=CLUB, name="First", timezone="Europe/Berlin", currency="EUR")
    zones = [
        ZoneDocument(
            zone_id=zone_id,
            club_id=CLUB,
            name=name,
            position=position,
            tariff_ids=("minute", "block"),
            default_tariff_id="minute",
        )
        for position, (zone_id, name) in enumerate((("std", "Standard"), ("vip", "VIP")))
    ]
    fields = {f"club:{CLUB}": club.model_dump_json().encode()}
    fields |= {f"zone:{zone.zone_id}": zone.model_dump_json().encode() for zone in zones}
    for number in range(1, pcs + 1):
        pc = PcDocument(
            pc_id=f"pc-{number}",
            club_id=CLUB,
            zone_id="std" if number <= (pcs + 1) // 2 else "vip",
            name=f"PC {number:02}",
            position=number,
        )
        fields[f"pc:{pc.pc_id}"] = pc.model_dump_json().encode()
    fields["tariff:minute:1"] = tariff_document("minute", "Per minute")
    fields["tariff:block:1"] = tariff_document(
        "block", "Two hours", type="FIXED", price_minor=20_000, block_minutes=120, refund="CASH"
    )
    await store.put(chain_id, fields)
    players = [
        PlayerDocument(player_id="anna", label="Anna K.", phone="+49 151 555 01 01"),
        PlayerDocument(player_id="boris", label="Boris", phone="+49 151 555 02 02"),
        PlayerDocument(player_id="poor", label="Penniless"),
    ]
    documents = {f"player:{each.player_id}": each.model_dump_json().encode() for each in players}
    await store.add_documents(chain_id, documents)


def tile(pc_id: str, **changes: object) -> HallTile:
    """A free PC that answers, with changes."""
    free = HallTile(
        pc_id=pc_id,
        pc_name=pc_id.replace("pc-", "PC 0"),
        zone_id="std",
        zone_name="Standard",
        link=LinkState.ONLINE,
        use=UseState.FREE,
        locked=True,
        in_sync=True,
        last_seen_at_ms=START_MS,
    )
    return free.model_copy(update=changes)


class HallOwner:
    """Writes tiles as a host does: by commits of the club's shard."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owned: Ownership | None = None
        self._seq = 0

    async def show(self, *tiles: HallTile) -> None:
        """One commit that changes these tiles."""
        if self._owned is None:
            shard = shard_of_club(CHAIN, CLUB)
            self._owned = await self._store.acquire(shard, host="h0", nonce="nonce")
        self._seq += 1
        unit = Unit(hall=tuple(_written(each) for each in tiles))
        result = await self._store.commit(self._owned, self._seq, [unit])
        assert not result.fenced


def _written(shown: HallTile) -> HallWrite:
    return HallWrite(CLUB, shown.pc_id, shown.model_dump_json().encode())


async def eventually(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until ``condition`` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition may be anything
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class SseMessage:
    """One server-sent event."""

    event: str
    data: dict[str, object]
    entry_id: str | None

    @property
    def pcs(self) -> Sequence[str]:
        """Which PCs it speaks of."""
        tiles = self.data.get("tiles", [])
        assert isinstance(tiles, list)
        return [each["pcId"] for each in tiles]


async def sse_messages(response: httpx.Response) -> AsyncIterator[SseMessage]:
    """The stream's events; retry hints are passed over."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield SseMessage(fields["event"], orjson.loads(fields["data"]), fields.get("id"))
            fields = {}
