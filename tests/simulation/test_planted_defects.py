"""A simulator that finds nothing proves nothing: each of these defects must be found.

They are planted in the twin of the store, in the archive's worker, in the loop of a shard and in
the rules of sessions, for the length of one test.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from actors import host, session_commands
from actors.draft import Draft
from actors.runtime import ShardRuntime
from actors.session import SessionActor
from actors.shard_loop import FencedError, ShardLoop
from actors.store import ChainStream, CommitResult, Ownership, Unit
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain, MemoryLease
from billing_core import crediting, order
from billing_core.draft import Draft as BillingDraft
from billing_core.outage import Outage
from controller.archive import ArchiveConsumer, order_rows, rewinding
from controller.simulation.simulation import SeedRunner

SEEDS_MAX = 200

Plant = Callable[[pytest.MonkeyPatch], None]


class HastyLoop(ShardLoop):
    """Lets effects out before the commit that makes them true."""

    async def _commit(
        self, runtime: ShardRuntime, ownership: Ownership, drafts: Sequence[Draft]
    ) -> None:
        for draft in drafts:
            self._release_effects(draft.effects)
        await super()._commit(runtime, ownership, drafts)


class ChargeFirstLoop(ShardLoop):
    """Takes the money in a commit of its own, before the one with all that the money is for."""

    async def _commit(
        self, runtime: ShardRuntime, ownership: Ownership, drafts: Sequence[Draft]
    ) -> None:
        money = [
            Unit(deltas=draft.unit.deltas, transactions=draft.unit.transactions)
            for draft in drafts
            if draft.unit.deltas
        ]
        if money:
            charged = await self._ports.store.commit(ownership, self._seq + 1, money)
            if charged.fenced:
                raise FencedError
            self._seq += 1
        for draft in drafts:
            draft.unit = replace(draft.unit, deltas=(), transactions=(), expects=())
        await super()._commit(runtime, ownership, drafts)


class HastyConsumer(ArchiveConsumer):
    """Trims what it has read before it has written it."""

    async def _follow(self, chain_id: str, stream: ChainStream) -> int:
        cursor = await self._archive.cursor(chain_id, stream)
        read = await self._store.stream(chain_id, stream, after=cursor)
        if read:
            await self._store.trim(chain_id, stream, behind=read[-1], before=read[-1].entry_id)
            await self._archive.write(chain_id, stream, read, after=cursor)
        return len(read)


async def commit_in_any_order(
    self: MemoryStore, ownership: Ownership, seq: int, units: Sequence[Unit]
) -> CommitResult:
    """The twin's commit without a look at the batch's number."""
    lease = self._lease(ownership.shard)
    if not lease.is_held_by(ownership):
        return CommitResult(fenced=True)
    chain, number = self._chain(ownership.shard.chain_id), ownership.shard.number
    outcomes = chain.judge_batch(number, units, {})
    lease.seq, lease.result = seq, CommitResult(fenced=False, outcomes=outcomes)
    return lease.result


def drop_the_epoch_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryLease, "is_held_by", lambda _lease, _ownership: True)


def skip_the_sequence_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryStore, "commit", commit_in_any_order)


def forget_idempotency(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryChain, "_known_answer", lambda _chain, _asked: None)


def ignore_expected_balances(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryChain, "_wrong_balance", lambda _chain, _unit: None)


def let_effects_out_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(host, "ShardLoop", HastyLoop)


def charge_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(host, "ShardLoop", ChargeFirstLoop)


def trim_before_the_archive_has_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("controller.simulation.machines.ArchiveConsumer", HastyConsumer)


def give_back_without_noting_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order, "_left_of", lambda owned, _part: owned)


def overlook_other_bookings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(session_commands, "booking_refusal", lambda *_args, **_booking: None)


def let_bookings_shorten_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("actors.command_turn._look_at_neighbours", lambda _context: None)


def seat_two_at_one_pc(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SessionActor, "occupant", lambda *_args, **_besides: None)


def keep_the_claim_of_whoever_has_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryChain, "_holds", lambda _chain, _claim: False)


def give_every_outage_back_twice(patch: pytest.MonkeyPatch) -> None:
    once = crediting._credited

    def twice(draft: BillingDraft, outage: Outage, now_ms: int) -> Outage:
        return once(draft, once(draft, outage, now_ms), now_ms)

    patch.setattr(crediting, "_credited", twice)


def throw_away_what_the_store_forgot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rewinding, "_set_aside", lambda *_args, **_besides: 0)


def leave_orders_the_store_forgot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(order_rows, "take_back", lambda *_args, **_besides: None)


def believe_that_a_store_only_grows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rewinding.Reached, "is_at", lambda _reached, _entry: True)


DEFECTS: tuple[tuple[Plant, tuple[str, ...]], ...] = (
    (drop_the_epoch_check, ("another host owns",)),
    (skip_the_sequence_check, ("follows",)),
    (forget_idempotency, ("took effect twice", "different answers", "other content", "must hold")),
    (ignore_expected_balances, ("fell to", "must hold", "balance", "charged")),
    (let_effects_out_before_the_commit, ("must hold", "promised", "different answers", "open")),
    (charge_before_the_commit, ("took effect twice", "must hold")),
    (trim_before_the_archive_has_it, ("archive", "event sequence")),
    (give_back_without_noting_it, ("given back", "must hold")),
    (overlook_other_bookings, ("have both booked",)),
    (let_bookings_shorten_nobody, ("past a booking",)),
    (seat_two_at_one_pc, ("both play",)),
    (keep_the_claim_of_whoever_has_left, ("claim",)),
    (give_every_outage_back_twice, ("took effect twice", "gave back", "must be")),
    (throw_away_what_the_store_forgot, ("not set aside",)),
    (leave_orders_the_store_forgot, ("orders forgotten and not set aside",)),
    (believe_that_a_store_only_grows, ("archive",)),
)


@pytest.mark.parametrize(("plant", "signs"), DEFECTS, ids=[p.__name__ for p, _ in DEFECTS])
def test_a_planted_defect_is_found(
    plant: Plant, signs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    runner = SeedRunner()
    for seed in range(SEEDS_MAX):
        violations = runner.play(seed).violations
        if violations:
            shown = "\n".join(violations)
            assert any(sign in shown for sign in signs), shown
            runner.close()
            return
    raise AssertionError(f"not found in {SEEDS_MAX} seeds")
