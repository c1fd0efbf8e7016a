"""The part of the store port about what leaves for an archive and comes back from it."""

from typing import Protocol

from actors.store_values import StoredEntity, StreamEntry


class Past(Protocol):
    """All methods raise StoreUnavailableError when there is no answer."""

    async def audit_after(
        self, chain_id: str, after: str, *, count: int
    ) -> tuple[StreamEntry, ...]:
        """Up to ``count`` entries of the chain's audit after an entry id, oldest first."""

    async def trim_audit(self, chain_id: str, *, before: str) -> int:
        """Drop entries of the audit with ids below ``before``; how many went."""

    async def bring_back(self, chain_id: str, club_id: str, closed: StoredEntity) -> None:
        """Let hosts read a closed session again that had been dropped; ``key`` is its id.

        One that is there is left as it is. The archive drops it again after a while.
        """
