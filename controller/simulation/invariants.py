"""What must be true when everything has come to rest, and what must be true at any instant."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from actors.pc import PcState
from actors.placement import shard_of_club
from actors.shard_contents import decode_shard
from actors.wallets import WalletKey
from billing_core.session import SessionState, SessionStatus
from controller.archive import ArchiveError
from controller.simulation import town
from controller.simulation.machines import PcMachine
from controller.simulation.players import Desk
from controller.simulation.reckoning import bill, is_simple, unpaid_ms
from controller.simulation.virtual_loop import at_once
from controller.simulation.world import World
from controller.verify.report import verify_chain
from schemas.commands import CreateSession, ReplyStatus, TopUpWallet
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
        if pc.service is None or pc.clock is None or pc.newest is None:
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
        elif lease is not None and not pc.clock_was_set:
            left_ms = lease.issued_at_ms + lease.duration_ms - now_ms
            if left_ms > slack_ms + 2 * 1_500:
                yield f"{pc.seat.pc_id} is locked with {left_ms} ms left"


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
    sessions = await _sessions(world)
    found += _bill_violations(world, sessions)
    if not world.restored:
        found += _answer_violations(desk)
        found += _promise_violations(world, desk, sessions)
    if world.archive is not None:
        found += await _archive_violations(world)
    return found


async def _sessions(world: World) -> dict[str, dict[str, Any]]:
    """Every session's state as stored, open or closed, trimmed or not."""
    archive = world.archive
    archived = [] if archive is None else await archive.sessions(world.chain_id)
    closed = [*archived, *await world.store.closed_sessions(world.chain_id)]
    found = {one.key: orjson.loads(one.blob)["state"] for one in closed}
    for entity in await world.store.all_entities(world.chain_id):
        kind, _, name = entity.key.partition(":")
        if kind == "session":
            found[name] = orjson.loads(entity.blob)
    return found


def _answer_violations(desk: Desk) -> Iterator[str]:
    for request in desk.requests:
        key = request.envelope.idempotency_key
        if any(reply != request.replies[0] for reply in request.replies):
            yield f"{key} got different answers: {[r.code or r.status for r in request.replies]}"


def _bill_violations(world: World, sessions: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, session in sessions.items():
        if not is_simple(session):
            continue
        charged_minor = sum(segment["amount_minor"] for segment in session["segments"])
        wanted = bill(session)
        if not wanted.least_minor <= charged_minor <= wanted.most_minor:
            yield f"{name} was charged {charged_minor}, must be {wanted}"
        late_ms = unpaid_ms(session, world.business.now_ms())
        if late_ms > _lateness_ms(world):
            yield f"{name} was not charged for the last {late_ms} ms"


def _lateness_ms(world: World) -> int:
    return int(2_500 * world.business.speed)


def _promise_violations(
    world: World, desk: Desk, sessions: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """What was answered OK is there; what was paid in is there, but for what was charged."""
    paid: Counter[str] = Counter()
    for request in desk.requests:
        command = request.envelope.command
        if not request.replies:
            yield f"{request.envelope.idempotency_key} was never answered"
        elif request.replies[0].status is not ReplyStatus.OK:
            continue
        elif isinstance(command, TopUpWallet):
            paid[command.player_id] += command.amount_minor + command.bonus_minor
        elif isinstance(command, CreateSession) and command.session_id not in sessions:
            yield f"{command.session_id} was promised and is gone"
    for player_id in town.PLAYERS:
        own = [one for one in sessions.values() if one["player_id"] == player_id]
        if not all(is_simple(one) for one in own):
            continue
        spent = sum(segment["amount_minor"] for one in own for segment in one["segments"])
        accounts = WalletKey(town.CURRENCY, player_id).accounts
        balance = sum(world.witness.balances.get(account, 0) for account in accounts)
        stored = sum(at_once(world.store.balances(world.chain_id, accounts)).values())
        if not balance == stored == paid[player_id] - spent:
            yield f"{player_id} paid {paid[player_id]}, spent {spent}, has {balance} ({stored})"


async def _archive_violations(world: World) -> Iterator[str]:
    assert world.archive is not None
    archived = [one.payload for one in await world.archive.transactions(world.chain_id)]
    events = [one.payload for one in await world.archive.events(world.chain_id)]
    witness = world.witness
    found = []
    if archived != witness.transactions:
        found.append(f"archive: {len(archived)} transactions, {len(witness.transactions)} posted")
    if events != witness.events:
        found.append(f"archive: {len(events)} events, {len(witness.events)} happened")
    return iter(found)
