"""What is owed to subscriptions, kept in the archive's database."""

from collections.abc import Sequence

from controller.archive import Archive, deliveries
from controller.archive.deliveries import Letter, Owed, Retry


class DeliveryQueue:
    """Letters of every chain. Each call is one SQL transaction. Raises ArchiveError."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def cursor(self, chain_id: str) -> str:
        """Up to which outbox entry letters have been written."""
        return await self._archive.transact(deliveries.cursor, chain_id)

    async def take_in(
        self, chain_id: str, letters: Sequence[Letter], *, after: str, to: str, now_ms: int
    ) -> None:
        """Write letters and move the cursor, or neither."""
        await self._archive.transact(
            deliveries.take_in, chain_id, letters, after=after, to=to, now_ms=now_ms
        )

    async def due(self, chain_id: str, webhook_id: str, *, now_ms: int, limit: int) -> list[Letter]:
        """The oldest waiting letter of each source, where that one is due."""
        return await self._archive.look(
            deliveries.due, chain_id, webhook_id, now_ms=now_ms, limit=limit
        )

    async def settle(self, taken: Sequence[int], retries: Sequence[Retry]) -> None:
        """Forget what was received; note what is tried again, or never."""
        await self._archive.transact(deliveries.taken, taken)
        await self._archive.transact(deliveries.put_off, retries)

    async def bury(self, chain_id: str, webhook_id: str, *, reason: str) -> int:
        """Make everything that waits for a subscription a dead letter."""
        return await self._archive.transact(deliveries.bury, chain_id, webhook_id, reason=reason)

    async def revive(self, chain_id: str, webhook_id: str, *, now_ms: int) -> int:
        """Let every dead letter of a subscription be due now."""
        return await self._archive.transact(deliveries.revive, chain_id, webhook_id, now_ms=now_ms)

    async def hasten(self, chain_id: str, webhook_id: str, *, now_ms: int) -> int:
        """See :func:`controller.archive.deliveries.hasten`."""
        return await self._archive.transact(deliveries.hasten, chain_id, webhook_id, now_ms=now_ms)

    async def queue_again(self, chain_id: str, letters: Sequence[Letter], *, now_ms: int) -> int:
        """Let letters be sent once more; those that wait anyway are left as they are."""
        return await self._archive.transact(
            deliveries.queue_again, chain_id, letters, now_ms=now_ms
        )

    async def forget_dead(self, chain_id: str, *, before_ms: int) -> int:
        """Drop dead letters queued before an instant."""
        return await self._archive.transact(deliveries.forget_dead, chain_id, before_ms=before_ms)

    async def drop(self, chain_id: str, webhook_id: str) -> int:
        """Forget everything a subscription is owed, dead letters too; how many there were."""
        return await self._archive.transact(deliveries.drop, chain_id, webhook_id)

    async def owed(self, chain_id: str) -> list[Owed]:
        """How much each subscription of a chain is owed."""
        return await self._archive.transact(deliveries.owed, chain_id)
