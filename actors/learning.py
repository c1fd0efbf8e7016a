"""Reads what a shard shares with others: players, their bought tariffs, their wallets."""

from collections.abc import Iterable, Sequence

from actors.bought import read_bought
from actors.orders import read_orders
from actors.runtime import ShardRuntime
from actors.store import ShardStore, StoredEntity
from actors.turn import CommandInput, Input
from actors.wallets import WalletKey, read_wallets
from actors.workspace import KnownHolder, bought_key, player_key
from billing_core.wallet import Wallet
from schemas.catalogue import PlayerDocument


async def learn_for(runtime: ShardRuntime, store: ShardStore, inputs: Sequence[Input]) -> None:
    """Read what these inputs will be decided on and the shard does not hold: orders, then the
    holders they and the commands name."""
    chain_id = runtime.ownership.shard.chain_id
    order_ids = {
        one.order_id for one in inputs if isinstance(one, CommandInput) and one.order_id is not None
    }
    runtime.memory.orders = await read_orders(store, chain_id, order_ids) if order_ids else {}
    unknown = runtime.to_learn(inputs)
    if unknown:
        runtime.learn(*await read_holders(store, chain_id, unknown))


async def read_holders(
    store: ShardStore, chain_id: str, keys: Iterable[WalletKey]
) -> tuple[dict[str, KnownHolder], dict[WalletKey, Wallet]]:
    """Holders and wallets as the store has them now."""
    wanted = sorted(keys)
    holder_ids = sorted({key.holder_id for key in wanted})
    names = [name for holder in holder_ids for name in (player_key(holder), bought_key(holder))]
    documents = await store.documents(chain_id, names)
    holders = {
        holder: _known(documents.get(player_key(holder)), documents.get(bought_key(holder)))
        for holder in holder_ids
    }
    return holders, await read_wallets(store, chain_id, wanted)


def _known(document: StoredEntity | None, bought: StoredEntity | None) -> KnownHolder:
    return KnownHolder(
        document=None if document is None else PlayerDocument.model_validate_json(document.blob),
        document_version=0 if document is None else document.version,
        bought=() if bought is None else read_bought(bought.blob),
        bought_version=0 if bought is None else bought.version,
    )
