"""What other processes change that running sessions depend on: wallets, players, the catalogue."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

from actors.shard_loop import ShardLoop
from actors.store import Listening, ShardId
from actors.turn import PlayerInput, WalletInput
from actors.wallets import Balances, WalletKey, read_wallets, wallet_key_of
from billing_core.wallet import Wallet


class ChangeFeed(Balances, Protocol):
    """The part of the store that tells of changes; lossy, so what was missed is read again."""

    def wallet_changes(self, listening: Listening) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`actors.store.ShardStore.wallet_changes`."""

    def player_changes(self, listening: Listening) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`actors.store_editing.CatalogueEditing.player_changes`."""

    def catalogue_changes(self, listening: Listening) -> AsyncIterator[str]:
        """See :meth:`actors.store.Catalogue.catalogue_changes`."""


class News:
    """Brings changes to the loops of one host. ``loops`` is the host's own, as it is now."""

    def __init__(self, store: ChangeFeed, loops: Mapping[ShardId, ShardLoop]) -> None:
        self._store = store
        self._loops = loops

    def wallets_moved(self, by: ShardLoop, wallets: Mapping[WalletKey, Wallet]) -> None:
        """Another shard of this host moved wallets; the store tells us only of other hosts'."""
        for loop in self._loops.values():
            if loop is by or loop.shard.chain_id != by.shard.chain_id or loop.runtime is None:
                continue
            for key, wallet in wallets.items():
                if loop.runtime.cares_for(key.holder_id):
                    loop.inbox.put_wallet(WalletInput(key, wallet))
                    loop.wake()

    @property
    def feeds(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """Each follows one kind of change until the store is lost."""
        return (self.follow_wallets, self.follow_players, self.follow_catalogue)

    async def follow_wallets(self) -> None:
        """Wallets that other hosts moved."""
        async for chain_id, account in self._store.wallet_changes(self._reread_wallets):
            key = wallet_key_of(account)
            loops = [] if key is None else self._caring_for(chain_id, key.holder_id)
            if key is None or not loops:
                continue
            wallets = await read_wallets(self._store, chain_id, [key])
            for loop in loops:
                loop.inbox.put_wallet(WalletInput(key, wallets[key]))
                loop.wake()

    async def follow_players(self) -> None:
        """Players that were edited: whoever plays goes on by what they are now."""
        async for chain_id, player_id in self._store.player_changes(self._reread_players):
            for loop in self._caring_for(chain_id, player_id):
                loop.inbox.put_player(PlayerInput(player_id))
                loop.wake()

    async def follow_catalogue(self) -> None:
        """Clubs, zones, PCs and tariffs that were configured anew."""
        async for chain_id in self._store.catalogue_changes(self._reread_catalogues):
            for shard, loop in self._loops.items():
                if shard.chain_id == chain_id:
                    loop.catalogue_changed()

    def _caring_for(self, chain_id: str, holder_id: str) -> list[ShardLoop]:
        return [
            loop
            for shard, loop in self._loops.items()
            if shard.chain_id == chain_id
            and loop.runtime is not None
            and loop.runtime.cares_for(holder_id)
        ]

    async def _reread_wallets(self) -> None:
        """Whatever moved while nobody listened."""
        for shard, loop in list(self._loops.items()):
            if loop.runtime is None:
                continue
            wanted = sorted(loop.runtime.open_wallets())
            for key, wallet in (await read_wallets(self._store, shard.chain_id, wanted)).items():
                loop.inbox.put_wallet(WalletInput(key, wallet))
            loop.wake()

    async def _reread_players(self) -> None:
        for loop in self._loops.values():
            if loop.runtime is None:
                continue
            for key in sorted(loop.runtime.open_wallets()):
                loop.inbox.put_player(PlayerInput(key.holder_id))
            loop.wake()

    async def _reread_catalogues(self) -> None:
        for loop in self._loops.values():
            loop.catalogue_changed()
