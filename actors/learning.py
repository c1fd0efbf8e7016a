"""Reads what a shard shares with others: players, their bought tariffs, their wallets."""

from collections.abc import Iterable

import orjson

from actors.store import ShardStore, StoredEntity
from actors.wallets import WalletKey, read_wallets
from actors.workspace import KnownHolder, bought_key, player_key
from billing_core.stored import player_tariff_from_dict
from billing_core.wallet import Wallet
from schemas.catalogue import PlayerDocument


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
        bought=()
        if bought is None
        else tuple(player_tariff_from_dict(one) for one in orjson.loads(bought.blob)),
        bought_version=0 if bought is None else bought.version,
    )
