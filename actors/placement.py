"""Where a club lives: a fixed number of shards per chain, never derived from the host count."""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from actors.store import SHARD_COUNT, ShardId

MAX_PLACES_KNOWN: Final = 4_096


@lru_cache(MAX_PLACES_KNOWN)
def shard_of_club(chain_id: str, club_id: str) -> ShardId:
    """The club's shard; stable for ever, because stored state is found by it."""
    digest = blake2b(club_id.encode(), digest_size=8).digest()
    return ShardId(chain_id, int.from_bytes(digest) % SHARD_COUNT)
