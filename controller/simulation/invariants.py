"""What must be true when everything has come to rest, and what must be true at any instant."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import orjson

from actors.pc import PcState
from actors.placement import shard_of_club
from actors.shard_contents import decode_shard
from billing_core.session import SessionState, SessionStatus
from controller.archive import ArchiveError
from controller.simulation.accounts import (
    account_violations,
    history_of,
    pack_violations,
    refund_violations,
    void_violations,
)
from controller.simulation.desk import Desk
from controller.simulation.machines import PcMachine
from controller.simulation.outages import unserved_violations
from controller.simulation.reckoning import bill, free_minutes, from_wallet_minor, unpaid_ms
from controller.simulation.virtual_loop import at_once
from controller.simulation.world import World
from controller.verify.report import verify_chain
from schemas.commands import CreateSession
from schemas.device import PcMode

TICK_SLACK_S: Final = 1.6
"""A PC looks at its lease every second of real time."""


def unrest(world: World) -> str | None:
    """What has not come to rest yet, or None."""
    stored = _stored(world)
    overdue_ms = world.business.now_ms() - _lateness_ms(world)
    for one in stored.values():
        if isinstance(one, SessionState) and (one.due_at_ms or overdue_ms) < overdue_ms:
            return f"{one.session_id} is due since {one.due_at_ms}"
    for pc in world.pcs.values():
        behind = _behind(world, pc, stored)
        if behind is not None:
            return behind
    return None


def _stored(world: World) -> dict[str, Any]:
    entities = at_once(world.store.all_entities(world.chain_id))
    return {key: one.state for key, one in decode_shard(entities).items()}


def _behind(world: World, pc: PcMachine, stored: Mapping[str, Any]) -> str | None:
    """How a PC differs from what is wanted of it."""
    shard = shard_of_club(world.chain_id, pc.seat.club_id)
    owner = at_once(world.store.owners([shard])).get(shard)
    if owner is None or pc.service is None:
        return f"{shard} has no owner"
    state = stored.get(f"pc:{pc.seat.pc_id}")
    if not isinstance(state, PcState):
        return f"{pc.seat.pc_id} is unknown"
    agent = pc.service.state
    applied = None if agent.applied is None else (agent.applied.epoch, agent.applied.rev)
    if applied != (owner.epoch, state.target.rev):
        return f"{pc.seat.pc_id} obeys {applied}, wanted {(owner.epoch, state.target.rev)}"
    playing = [
        one.session_id
        for one in stored.values()
        if isinstance(one, SessionState)
        and one.status is SessionStatus.STARTED
        and one.pc_id == pc.seat.pc_id
    ]
    wanted = PcMode.UNLOCKED if playing else PcMode.LOCKED
    if agent.mode is not wanted and not (pc.clock_was_set and playing):
        return f"{pc.seat.pc_id} is {agent.mode}, playing there: {playing}"
    return None


def pc_violations(world: World) -> Iterator[str]:
    """A PC obeys the newest document it got, and is open exactly while that one's lease runs."""
    now_ms = world.business.now_ms()
    slack_ms = int(TICK_SLACK_S * 1_000 * world.business.speed) + 1_000
    for pc in world.pcs.values():
        if pc.service is None or pc.clock is None or pc.newest is None or pc.is_frozen:
            continue
        mode, lease = pc.service.state.mode, pc.newest.lease
        if mode is PcMode.UNLOCKED:
            grants = {grant.lease_id: grant for grant in pc.service.state.grants}
            document = pc.service.state.document
            assert document is not None
            assert document.lease is not None
            grant = grants[document.lease.lease_id]
            # With its clock set back a PC cannot tell how long a document took to reach it.
            is_sure = not pc.clock_was_set
            if is_sure and now_ms > grant.issued_at_ms + grant.duration_ms + slack_ms:
                yield f"{pc.seat.pc_id} is open {now_ms - grant.issued_at_ms} ms after its lease"
            if lease is None:
                yield f"{pc.seat.pc_id} is open against {pc.newest.version}"
        elif lease is not None and not pc.clock_was_set and not _waits_for_newer(pc):
            left_ms = lease.issued_at_ms + lease.duration_ms - now_ms
            if left_ms > slack_ms + 2 * 1_500:
                yield f"{pc.seat.pc_id} is locked with {left_ms} ms left"


def _waits_for_newer(pc: PcMachine) -> bool:
    """It was told of a newer document than any that has reached it, and obeys no older one."""
    assert pc.service is not None
    assert pc.newest is not None
    floor = pc.service.state.floor
    return floor is not None and floor > pc.newest.version


async def final_violations(world: World, desk: Desk) -> list[str]:
    """Everything that is wrong once the chain has come to rest."""
    found = [*world.witness.violations, *world.surrounds.defects, *world.loop.defects]
    if world.archiver is not None:
        try:
            world.archiver.catches_up()
        except ArchiveError as error:
            found.append(f"the archive refuses what it is given: {error}")
    report = await verify_chain(world.store, world.chain_id, world.archive)
    found += [f"{row.check} {row.subject}: {row.expected} / {row.found}" for row in report.rows]
    sessions = {name: orjson.loads(blob) for name, blob in world.witness.sessions.items()}
    found += _bill_violations(world, sessions)
    found += _place_violations(world, sessions)
    found += void_violations(sessions)
    found += world.witness.credits.violations(sessions)
    found += unserved_violations(world, sessions)
    if not world.restored:
        found += _promise_violations(desk, sessions)
        found += _account_violations(world, desk)
    if world.archive is not None:
        found += await _archive_violations(world)
    return found


def _bill_violations(world: World, sessions: dict[str, dict[str, Any]]) -> Iterator[str]:
    grace_ms = world.customs.grace_seconds * 1_000
    for name, session in sessions.items():
        charged_minor, wanted = from_wallet_minor(session), bill(session)
        if not wanted.least_minor <= charged_minor <= wanted.most_minor:
            yield f"{name} was charged {charged_minor}, must be {wanted}"
        late_ms = unpaid_ms(session, world.business.now_ms(), grace_ms)
        if late_ms > _lateness_ms(world):
            yield f"{name} was not charged for the last {late_ms} ms"
        yield from free_minutes(session, grace_ms)


def _lateness_ms(world: World) -> int:
    return int(2_500 * world.business.speed)


def _place_violations(world: World, sessions: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A PC is nobody's twice, is played on no longer than until its next booking (but for the
    minute that was paid before it), and is shown with a session only while that is open; whoever
    plays has the right to."""
    chain = world.server.chain(world.chain_id)
    started = [one for one in sessions.values() if one["status"] == "STARTED"]
    waiting = [one for one in sessions.values() if one["status"] in ("PENDING", "ACTIVE")]
    for one in started:
        for other in waiting:
            from_ms, until_ms = other["planned_start_at_ms"], one["coverage"]["until_ms"]
            free_ms = max(from_ms, one["segments"][-1]["paid_until_ms"])
            if one["pc_id"] == other["pc_id"] and (until_ms is None or until_ms > free_ms):
                yield f"{one['session_id']} is covered {until_ms} past a booking at {from_ms}"
        claim = f"playing/{one['player_id']}"
        claimed = chain.claims.get(claim) == one["session_id"]
        if one["player_id"] and not world.customs.parallel_sessions and not claimed:
            yield f"{one['session_id']} plays without {claim}"
    for tiles in chain.halls.values():
        for pc_id, blob in tiles.items():
            shown = orjson.loads(blob)["session_id"]
            if shown is not None and sessions[shown]["status"] in ("ENDED", "CANCELLED"):
                yield f"{pc_id} is shown with {shown}, which is over"
    yield from _stays_apart(sessions)


def _stays_apart(sessions: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Sessions followed each other on every PC; none began while another was there."""
    stays = [
        (link["pc_id"], link["start_at_ms"], link["end_at_ms"], name)
        for name, session in sessions.items()
        for link in session["device_links"]
    ]
    stays.sort(key=lambda stay: stay[:2])
    for (pc_id, start_ms, end_ms, name), (next_pc, next_ms, _, next_name) in pairwise(stays):
        if pc_id == next_pc and (end_ms is None or end_ms > next_ms) and next_ms > start_ms:
            yield f"{next_name} began on {pc_id} at {next_ms}, {name} was there until {end_ms}"


def _promise_violations(desk: Desk, sessions: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Whoever asked was answered, with one answer; what was answered OK is there."""
    for request in desk.requests:
        key, command = request.envelope.idempotency_key, request.envelope.command
        if not request.replies:
            yield f"{key} was never answered"
        if any(reply != request.replies[0] for reply in request.replies):
            yield f"{key} got different answers: {[r.code or r.status for r in request.replies]}"
        if not request.ok or not isinstance(command, CreateSession):
            continue
        if command.session_id not in sessions:
            yield f"{command.session_id} was promised and is gone"


def _account_violations(world: World, desk: Desk) -> Iterator[str]:
    """Every account holds what it must, by the ledger as it was told and by the store."""
    witness = world.witness
    done = [request for request in desk.requests if request.ok]
    try:
        history = history_of(
            witness.sessions,
            witness.packs,
            orders=witness.orders,
            done=done,
            given_back=witness.credits,
        )
        yield from account_violations(history, witness.balances)
    except KeyError as error:
        yield f"{error} was promised and is gone"
        return
    yield from pack_violations(history)
    yield from refund_violations(history)
    stored = at_once(world.store.all_balances(world.chain_id))
    for account in sorted(stored.keys() | witness.balances.keys()):
        told_minor = witness.balances.get(account, 0)
        if stored.get(account, 0) != told_minor:
            yield f"{account} is stored as {stored.get(account)}, was told {told_minor}"


async def _archive_violations(world: World) -> list[str]:
    assert world.archive is not None
    archived = [one.payload for one in await world.archive.transactions(world.chain_id)]
    events = [one.payload for one in await world.archive.events(world.chain_id)]
    witness = world.witness
    found = []
    if archived != witness.transactions:
        found.append(f"archive: {len(archived)} transactions, {len(witness.transactions)} posted")
    if events != witness.events:
        found.append(f"archive: {len(events)} events, {len(witness.events)} happened")
    for one in await world.archive.sessions(world.chain_id):
        state = orjson.loads(one.blob)["state"]
        kept = world.server.chain(world.chain_id).closed.get(one.key)
        if kept is not None and kept.version > one.version:
            # Corrected, and nobody was told: the store answers until the archive has it.
            state = orjson.loads(kept.blob)["state"]
        if state != orjson.loads(witness.sessions.get(one.key, b"null")):
            found.append(f"archive: {one.key} is not as it was closed")
    return [*found, *world.forgotten.violations(world.archive, world.chain_id)]
