"""Names of everything the store keeps; the chain is the hash tag, so a commit stays in one slot."""

from collections.abc import Iterable
from dataclasses import dataclass

HOSTS = "clubctl:hosts"
ASSIGNMENTS = "clubctl:assignments"
CHAINS = "clubctl:chains"
CLUBS = "clubctl:clubs"
SNAPSHOTS = "clubctl:snapshots"
WALLET_CHANNEL = "clubctl:wallets"
CATALOGUE_CHANNEL = "clubctl:catalogue"
PLAYER_CHANNEL = "clubctl:players"
CATALOGUE_REVISION = "catalogue-revision"
"""What follows the chain's prefix: how often the catalogue has changed."""
_CLUB = "club:"


def host_key(name: str) -> str:
    """Where a host says that it lives."""
    return f"clubctl:host:{name}"


def clubs_among(fields: Iterable[str]) -> list[str]:
    """Ids of the clubs that catalogue fields describe."""
    return [field.removeprefix(_CLUB) for field in fields if field.startswith(_CLUB)]


def snapshot_key(name: str) -> str:
    """Where a process leaves a document for the others."""
    return f"clubctl:snapshot:{name}"


@dataclass(frozen=True, slots=True)
class ChainKeys:
    """The keys of one chain."""

    chain_id: str

    def of(self, *parts: str) -> str:
        """``clubctl:{chain}:<part>:<part>...``."""
        return ":".join((f"clubctl:{{{self.chain_id}}}", *parts))

    def shard(self, number: int) -> str:
        """Hash of a shard's entities."""
        return self.of("shard", str(number))

    def lease(self, number: int) -> str:
        """Hash with a shard's owner and its last batch."""
        return self.of("lease", str(number))

    def hall(self, club_id: str) -> str:
        """Hash of a club's tiles."""
        return self.of("hall", club_id)

    def live(self, club_id: str) -> str:
        """Stream of a club's changed tiles."""
        return self.of("live", club_id)

    def idempotency(self, key: str) -> str:
        """String with the answer to a command."""
        return self.of("idem", key)
