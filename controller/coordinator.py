"""Which host should own which shard: a pure function of the live hosts and the current map."""

from collections.abc import Iterable, Mapping

from actors.store import ShardId

REBALANCE_SLACK = 1
"""A host may have this many shards more than its fair share before any is moved from it."""


def assign(
    hosts: Iterable[str],
    shards: Iterable[ShardId],
    current: Mapping[ShardId, str],
    *,
    max_moves: int = 20,
) -> dict[ShardId, str]:
    """The new map of exactly ``shards``; empty when there is no host.

    Orphans (unassigned, or assigned to a host that is gone) always move, to the least loaded
    host. Then at most ``max_moves`` shards move from the fullest to the emptiest host, only
    while they differ by more than :data:`REBALANCE_SLACK`. Ties go by name, so that the same
    input gives the same map.
    """
    names = sorted(set(hosts))
    if not names:
        return {}
    load: dict[str, list[ShardId]] = {name: [] for name in names}
    orphans = []
    for shard in sorted(set(shards)):
        owner = current.get(shard)
        if owner in load:
            load[owner].append(shard)
        else:
            orphans.append(shard)
    for shard in orphans:
        load[_emptiest(load)].append(shard)
    for _ in range(max_moves):
        fullest = max(names, key=lambda name: (len(load[name]), name))
        emptiest = _emptiest(load)
        if len(load[fullest]) - len(load[emptiest]) <= REBALANCE_SLACK:
            break
        load[emptiest].append(load[fullest].pop())
    return {shard: name for name, owned in load.items() for shard in owned}


def _emptiest(load: Mapping[str, list[ShardId]]) -> str:
    return min(load, key=lambda name: (len(load[name]), name))
