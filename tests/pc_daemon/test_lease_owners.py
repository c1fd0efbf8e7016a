"""Leases of a later owner, and a PC that has nothing to wait for."""

from agent_bench import Bench, lease, unlocked

from pc_daemon.agent import NOTHING_DUE_MS, until_next_ms
from schemas.device import AgentFault, PcMode


def test_a_pc_takes_an_older_lease_from_a_later_owner_only() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease(seq=9, epoch=3)).model_copy(update={"epoch": 3}))
    bench.document(unlocked(2, lease(seq=4, epoch=3)).model_copy(update={"epoch": 3}))
    assert bench.faults == (AgentFault.LEASE_REPLAYED,)
    bench.document(unlocked(1, lease(seq=4, epoch=5)).model_copy(update={"epoch": 5}))
    assert bench.faults == ()
    assert bench.mode is PcMode.UNLOCKED
    assert bench.state.applied is not None
    assert bench.state.applied.epoch == 5


def test_a_locked_pc_has_nothing_due_at_any_speed_of_business_time() -> None:
    bench = Bench()
    assert until_next_ms(bench.state, bench.now) == NOTHING_DUE_MS
