"""Whoever comes next gets a seat: nothing that is over may block a PC."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from controller.simulation import town
from controller.simulation.desk import Desk, Request
from controller.simulation.tariffs import STANDARD
from controller.simulation.virtual_loop import at_once
from controller.simulation.world import World
from schemas.commands import CreateSession, ReplyStatus

ANSWERED_WITHIN_S: Final = 60.0
LEAST_TIME_MS: Final = 60_000
CLOSE_TO_BOOKING_REAL_MS: Final = 5_000
"""Nothing is said of PCs whose next booking is about to begin."""


async def last_guests(world: World, desk: Desk) -> list[str]:
    """A guest for every PC that nobody has, has booked or holds; who of them was sent away."""
    requests = [_asked(desk, seat) for seat in _free(world)]
    sending = [asyncio.create_task(desk.send(request)) for request in requests]
    if sending:
        await asyncio.wait(sending, timeout=ANSWERED_WITHIN_S)
    return list(_sent_away(requests))


def _asked(desk: Desk, seat: town.Seat) -> Request:
    command = CreateSession(
        session_id=f"last-{seat.pc_id}",
        pc_id=seat.pc_id,
        tariff_id=STANDARD,
        guest_label="Last guest",
        start=True,
        paid_minor=90_00,
    )
    return desk.ask(seat.club_id, command)


def _sent_away(requests: list[Request]) -> Iterator[str]:
    for request in requests:
        command = request.envelope.command
        assert isinstance(command, CreateSession)
        if not request.replies:
            yield f"nobody answered the last guest at {command.pc_id}"
        elif request.replies[0].status is not ReplyStatus.OK:
            yield f"{command.pc_id} is free and was refused: {request.replies[0].code}"


def _free(world: World) -> Iterator[town.Seat]:
    """PCs anybody may take now, by what is stored of sessions and holds."""
    now_ms = world.business.now_ms()
    soon_ms = now_ms + LEAST_TIME_MS + int(CLOSE_TO_BOOKING_REAL_MS * world.business.speed)
    taken = set()
    for entity in at_once(world.store.all_entities(world.chain_id)):
        kind, _, name = entity.key.partition(":")
        document: dict[str, Any] = orjson.loads(entity.blob)
        if kind == "session" and (_plays(document) or document["planned_start_at_ms"] < soon_ms):
            taken.add(document["pc_id"])
        elif kind == "pc" and document.get("hold") is not None:
            taken.add(name)
    yield from (seat for seat in town.SEATS if seat.pc_id not in taken)


def _plays(session: Mapping[str, Any]) -> bool:
    """A booking may be played before its time."""
    return bool(session["status"] == "STARTED")
