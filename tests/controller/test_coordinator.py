"""The coordinator's map: complete, balanced, and moved as little as possible."""

from hypothesis import given
from hypothesis import strategies as st

from actors.store import ShardId
from controller.coordinator import REBALANCE_SLACK, assign

HOSTS = st.sets(st.sampled_from([f"h{n}" for n in range(6)]), min_size=1)
SHARDS = st.sets(st.builds(ShardId, st.sampled_from(["a", "b"]), st.integers(0, 255)), max_size=40)


def loads(mapping: dict[ShardId, str], hosts: set[str]) -> list[int]:
    return [sum(owner == host for owner in mapping.values()) for host in hosts]


@given(HOSTS, SHARDS)
def test_every_shard_has_a_live_owner_and_loads_are_even(
    hosts: set[str], shards: set[ShardId]
) -> None:
    mapping = assign(hosts, shards, {})
    assert set(mapping) == shards
    assert set(mapping.values()) <= hosts
    assert max(loads(mapping, hosts)) - min(loads(mapping, hosts)) <= REBALANCE_SLACK


@given(HOSTS, SHARDS)
def test_an_even_map_is_left_alone(hosts: set[str], shards: set[ShardId]) -> None:
    mapping = assign(hosts, shards, {})
    assert assign(hosts, shards, mapping) == mapping


@given(HOSTS, SHARDS, st.data())
def test_a_dead_host_moves_only_its_own_shards(
    hosts: set[str], shards: set[ShardId], data: st.DataObject
) -> None:
    mapping = assign(hosts, shards, {})
    dead = data.draw(st.sampled_from(sorted(hosts)))
    after = assign(hosts - {dead}, shards, mapping)
    if hosts == {dead}:
        assert after == {}
    else:
        moved = {shard for shard in shards if after[shard] != mapping[shard]}
        assert {shard for shard in shards if mapping[shard] == dead} <= moved
        survivors = {shard for shard in moved if mapping[shard] != dead}
        assert len(survivors) <= 20


@given(SHARDS)
def test_moves_per_round_are_bounded(shards: set[ShardId]) -> None:
    crowded = dict.fromkeys(shards, "h0")
    after = assign(["h0", "h1"], shards, crowded, max_moves=3)
    assert sum(after[shard] != "h0" for shard in shards) <= 3


def test_no_host_no_map() -> None:
    assert assign([], [ShardId("a", 1)], {ShardId("a", 1): "h0"}) == {}
