"""Questions, answered from read models: clubs, halls, sessions, receipts, players, wallets."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Final, Literal

import orjson
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from controller.api import models, receipt_models
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.live import Beat, Changes, Heartbeat, Snapshot
from controller.api.openapi import API_PREFIX, QUERY_PROBLEMS
from controller.api.paging import Id, InTurning, NameSort
from controller.api.players import PlayerFilter
from controller.api.problems import ProblemError
from controller.api.rendering import balance_of, receipt_of, seen_by, session_of, tile_of
from controller.api.sessions import shown_receipt, shown_session, stored_session
from controller.api.staying import Staying
from controller.api.tariffs_seen import is_shown
from controller.api.wallets import wallets_of
from controller.lists.held import Listing
from schemas.catalogue import ClubDocument
from schemas.commands import EntityId
from schemas.views import HallTile, LinkState, UseState

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, responses=QUERY_PROBLEMS)

RECONNECT_AFTER_MS = 1_000
ClubId = Annotated[EntityId, Path(alias="clubId")]
SessionId = Annotated[EntityId, Path(alias="sessionId")]
PlayerId = Annotated[EntityId, Path(alias="playerId")]


CLUBS: Final[Listing[ClubDocument]] = Listing(
    row_id=lambda club: club.club_id, sorts={"name": lambda club: club.name}
)


@router.get("/clubs", operation_id="listClubs", tags=["clubs"])
async def list_clubs(
    *, rooms: InRooms, principal: AsPrincipal, turning: InTurning, sort: NameSort = "name"
) -> models.ClubList:
    """The chain's clubs, by name."""
    ask = turning.asked(sort)
    directory = await rooms.directory.chain(principal.chain_id)
    seen = (club for club in directory.clubs.values() if principal.sees_club(club.club_id))
    page, more = CLUBS.page(seen, ask)
    return models.ClubList(clubs=[_summary(club) for club in page], next_cursor=more)


@router.get("/clubs/{clubId}", operation_id="getClub", tags=["clubs"])
async def get_club(rooms: InRooms, principal: AsPrincipal, club_id: ClubId) -> models.Club:
    """A club, its zones in the order of the hall, and the tariffs they sell; to a player, those
    for sale to players."""
    directory = await rooms.directory.chain(principal.chain_id)
    club = directory.club(club_id)
    zones = directory.zones.get(club_id, ())
    return models.Club(
        **_summary(club).model_dump(),
        pc_count=len(directory.pcs.get(club_id, ())),
        zones=_zones(directory, club_id),
        tariffs=[
            models.Tariff(
                tariff_id=tariff.id,
                version=tariff.version,
                name=tariff.name,
                type=tariff.type.value,
                status=tariff.status.value,
            )
            for tariff in directory.tariffs_of(zones)
            if is_shown(tariff, principal)
        ],
    )


@router.get("/clubs/{clubId}/hall", operation_id="getHall", tags=["hall"])
async def get_hall(rooms: InRooms, principal: AsPrincipal, club_id: ClubId) -> models.Hall:
    """Every PC of the club as an operator sees it; players see nobody but themselves in it."""
    directory = await rooms.directory.chain(principal.chain_id)
    directory.club(club_id)
    snapshot = await rooms.live.snapshot(principal.chain_id, club_id)
    seen = replace(snapshot, tiles=tuple(seen_by(principal, tile) for tile in snapshot.tiles))
    return _hall(rooms, directory, club_id, snapshot=seen)


@router.get(
    "/clubs/{clubId}/hall/stream",
    operation_id="streamHall",
    tags=["hall"],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_hall(
    *,
    request: Request,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> StreamingResponse:
    """The hall as server-sent events: `snapshot` (a Hall), then `tiles`: changed Tiles, and in
    `gone` the ids of PCs that were retired.

    Each carries an id; a client that returns with it as `Last-Event-ID` is given what it missed,
    or a new snapshot when that is gone. A `heartbeat` comes at least every 15 seconds. All three
    carry `now` and `speed`. It ends within about a second of the caller losing access.
    """
    directory = await rooms.directory.chain(principal.chain_id)
    directory.club(club_id)
    staying = Staying(request, "streamHall")
    beats = rooms.live.follow(principal.chain_id, club_id, last_event_id, may_look=staying.may_look)
    # The first beat is fetched before the response begins, so that a refusal is a problem.
    first = await anext(beats)
    return StreamingResponse(
        _events(rooms, principal.chain_id, club_id, first=first, beats=beats),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


@router.get("/sessions/{sessionId}", operation_id="getSession", tags=["sessions"])
async def get_session(
    *, rooms: InRooms, principal: AsPrincipal, session_id: SessionId, response: Response
) -> models.Session:
    """A session, running or over; its version is the ETag, for an If-Match."""
    directory = await rooms.directory.chain(principal.chain_id)
    stored = await stored_session(rooms.given, principal, session_id)
    found = shown_session(stored, directory.tariff_names)
    if found is None:
        raise ProblemError("session-not-found")
    response.headers["ETag"] = f'"{found.version}"'
    return session_of(found)


@router.get("/sessions/{sessionId}/receipt", operation_id="getReceipt", tags=["sessions"])
async def get_receipt(
    rooms: InRooms, principal: AsPrincipal, session_id: SessionId
) -> receipt_models.Receipt:
    """The frozen bill of an ended session: segments, and why each cost what it cost."""
    stored = await stored_session(rooms.given, principal, session_id)
    receipt = shown_receipt(stored)
    if receipt is not None:
        return receipt_of(receipt)
    raise ProblemError("session-not-found" if stored is None else "receipt-not-found")


@router.get("/clubs/{clubId}/players", operation_id="findPlayers", tags=["players"])
async def find_players(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: ClubId,
    query: Annotated[str, Query(max_length=64)] = "",
    phone: Annotated[str | None, Query(max_length=32)] = None,
    group_id: Annotated[Id, Query(alias="groupId")] = None,
    sort: Literal["name", "-name", "phone", "-phone"] = "name",
) -> models.PlayerList:
    """Players of the chain with their balance here: whose name or phone contains the `query`, who
    have this `phone`, who are in a group.

    Pages after the first may be as of half a minute ago.
    """
    ask = turning.asked(sort, query=query, phone=phone, group=group_id)
    club = (await rooms.directory.chain(principal.chain_id)).club(club_id)
    wanted = PlayerFilter(query, phone, group_id)
    page, more = await rooms.players.page(principal.chain_id, wanted, ask=ask)
    wallets = await wallets_of(
        rooms.given.store,
        principal.chain_id,
        [(player, club.currency) for player in page],
    )
    players = [
        models.Player(
            player_id=player.player_id,
            label=player.label,
            phone=player.phone,
            groups=list(player.groups),
            balance=balance_of(wallet),
        )
        for player, wallet in zip(page, wallets, strict=True)
    ]
    return models.PlayerList(players=players, next_cursor=more)


@router.get("/players/{playerId}/wallet", operation_id="getWallet", tags=["wallets"])
async def get_wallet(rooms: InRooms, principal: AsPrincipal, player_id: PlayerId) -> models.Wallet:
    """What a player's wallet holds, in each currency of the chain."""
    player = await rooms.players.one(principal.chain_id, player_id)
    if player is None:
        raise ProblemError("player-not-found")
    directory = await rooms.directory.chain(principal.chain_id)
    wallets = await wallets_of(
        rooms.given.store,
        principal.chain_id,
        [(player, currency) for currency in directory.currencies()],
    )
    return models.Wallet(player_id=player_id, balances=[balance_of(each) for each in wallets])


def _summary(club: ClubDocument) -> models.ClubSummary:
    return models.ClubSummary(
        club_id=club.club_id, name=club.name, timezone=club.timezone, currency=club.currency
    )


def _zones(directory: ChainDirectory, club_id: str) -> list[models.Zone]:
    return [
        models.Zone(
            zone_id=zone.zone_id,
            name=zone.name,
            tariff_ids=list(directory.sold_in(zone)),
            default_tariff_id=zone.default_tariff_id,
        )
        for zone in directory.zones.get(club_id, ())
    ]


def _hall(
    rooms: Rooms, directory: ChainDirectory, club_id: str, *, snapshot: Snapshot
) -> models.Hall:
    clock = rooms.given.clock
    return models.Hall(
        club_id=club_id,
        now=render_instant(clock.wall_ms()),
        speed=clock.speed,
        entry_id=snapshot.entry_id,
        zones=_zones(directory, club_id),
        tiles=[tile_of(tile) for tile in _in_order(directory, club_id, snapshot)],
    )


def _in_order(directory: ChainDirectory, club_id: str, snapshot: Snapshot) -> Iterable[HallTile]:
    """The tiles in the order of the hall; a PC no host has told of yet is shown as such.

    The directory or the host may be the first to know of a PC that was retired.
    """
    told = {tile.pc_id: tile for tile in snapshot.tiles if not directory.is_retired(tile.pc_id)}
    gone = {pc_id for pc_id, tile in told.items() if tile.retired}
    zones = {zone.zone_id: zone for zone in directory.zones.get(club_id, ())}
    for pc in directory.pcs.get(club_id, ()):
        tile = told.pop(pc.pc_id, None)
        if pc.pc_id in gone:
            continue
        if tile is not None:
            yield tile
        elif pc.zone_id in zones:
            yield HallTile(
                pc_id=pc.pc_id,
                pc_name=pc.name,
                zone_id=pc.zone_id,
                zone_name=zones[pc.zone_id].name,
                link=LinkState.UNPROVISIONED,
                use=UseState.FREE,
            )
    yield from (tile for tile in told.values() if not tile.retired)


async def _events(
    rooms: Rooms, chain_id: str, club_id: str, *, first: Beat, beats: AsyncGenerator[Beat, None]
) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RECONNECT_AFTER_MS
    yield await _event(rooms, chain_id, club_id, beat=first)
    async with aclosing(beats):
        async for beat in beats:
            yield await _event(rooms, chain_id, club_id, beat=beat)


async def _event(rooms: Rooms, chain_id: str, club_id: str, *, beat: Beat) -> bytes:
    clock = rooms.given.clock
    time_now = {"now": render_instant(clock.wall_ms()), "speed": clock.speed}
    if isinstance(beat, Heartbeat):
        return b"event: heartbeat\ndata: %b\n\n" % orjson.dumps(time_now)
    if isinstance(beat, Changes):
        tiles = [tile_of(tile).model_dump(by_alias=True) for tile in beat.tiles if not tile.retired]
        gone = [tile.pc_id for tile in beat.tiles if tile.retired]
        data = orjson.dumps({**time_now, "tiles": tiles, "gone": gone})
        return b"event: tiles\nid: %b\ndata: %b\n\n" % (beat.entry_id.encode(), data)
    directory = await rooms.directory.chain(chain_id)
    hall = _hall(rooms, directory, club_id, snapshot=beat)
    data = orjson.dumps(hall.model_dump(by_alias=True))
    return b"event: snapshot\nid: %b\ndata: %b\n\n" % (beat.entry_id.encode(), data)
