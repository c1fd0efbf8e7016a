"""PCs as staff handles them over HTTP: out of use and back, one-shot orders, how they are doing."""

import secrets

from fastapi import APIRouter

from actors.machine_board import MACHINES_SNAPSHOT, machine_in
from controller.api import models
from controller.api.command_calls import ClubId, IdempotencyKey, PcId
from controller.api.commands import CommandRequest, checked_key
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS, QUERY_PROBLEMS
from controller.api.pc_models import CommandPcRequest, HoldPcRequest, PcMachine
from controller.api.problems import ProblemError
from controller.api.rendering import tile_of
from schemas.commands import CommandPc, CommandReply, HoldPc, ReleasePc
from schemas.device import DeviceCommandKind
from schemas.technician import SALT_BYTES, hash_code
from schemas.views import HallTile

router = APIRouter(
    prefix=f"{API_PREFIX}/clubs/{{clubId}}/pcs/{{pcId}}",
    route_class=GuardedRoute,
    responses=COMMAND_PROBLEMS,
)


@router.post("/hold", operation_id="holdPc", tags=["hall"])
async def hold_pc(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    pc_id: PcId,
    asked: HoldPcRequest,
    idempotency_key: IdempotencyKey = None,
) -> models.Tile:
    """Take a PC nobody uses or waits for out of use, with a reason and perhaps an end."""
    key = checked_key(idempotency_key)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    command = HoldPc(pc_id=pc_id, reason=asked.reason, until_ms=asked.until_at)
    in_full = [club_id, command.model_dump(mode="json")]
    request = CommandRequest(club_id, key, "holdPc", in_full, command)
    return _tile(await rooms.desk.execute(principal, request))


@router.post("/release", operation_id="releasePc", tags=["hall"])
async def release_pc(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    pc_id: PcId,
    idempotency_key: IdempotencyKey = None,
) -> models.Tile:
    """Put a held PC back into use."""
    key = checked_key(idempotency_key)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    command = ReleasePc(pc_id=pc_id)
    in_full = [club_id, command.model_dump(mode="json")]
    request = CommandRequest(club_id, key, "releasePc", in_full, command)
    return _tile(await rooms.desk.execute(principal, request))


@router.post("/commands", operation_id="commandPc", tags=["hall"], status_code=202)
async def command_pc(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    pc_id: PcId,
    asked: CommandPcRequest,
    idempotency_key: IdempotencyKey = None,
) -> models.Tile:
    """Send a PC a one-shot order; what became of it is on its tile and in an event."""
    key = checked_key(idempotency_key)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    kept = None if asked.code is None else hash_code(asked.code, secrets.token_bytes(SALT_BYTES))
    command = CommandPc(
        pc_id=pc_id,
        asked=DeviceCommandKind(asked.command),
        text=asked.text,
        duration_ms=None if asked.duration_seconds is None else asked.duration_seconds * 1_000,
        code_hash=kept,
    )
    # The code stays out of the request's digest, which is kept for days and could be guessed from.
    in_full = [club_id, command.model_dump(mode="json", exclude={"code_hash"})]
    request = CommandRequest(club_id, key, "commandPc", in_full, command)
    return _tile(await rooms.desk.execute(principal, request))


@router.get("/machine", operation_id="getPcMachine", tags=["hall"], responses=QUERY_PROBLEMS)
async def get_pc_machine(
    *, rooms: InRooms, principal: AsPrincipal, club_id: ClubId, pc_id: PcId
) -> PcMachine:
    """What a PC told of its machine within the last two minutes."""
    directory = await rooms.directory.chain(principal.chain_id)
    directory.club(club_id)
    if pc_id not in {pc.pc_id for pc in directory.pcs.get(club_id, ())}:
        raise ProblemError("pc-not-found")
    name = f"{MACHINES_SNAPSHOT}{club_id}"
    blob = (await rooms.given.store.snapshots(name)).get(name)
    view = None if blob is None else machine_in(blob, pc_id)
    if view is None:
        raise ProblemError("pc-unreachable")
    facts = {} if view.machine is None else view.machine.model_dump()
    doing = {} if view.hardware is None else view.hardware.model_dump()
    at = render_instant(view.at_ms)
    return PcMachine.model_validate({"pc_id": pc_id, "at": at, **facts, **doing})


def _tile(reply: CommandReply) -> models.Tile:
    return tile_of(HallTile.model_validate(reply.result["tile"]))
