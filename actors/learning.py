"""Reads what a shard shares with others: players, their bought tariffs, their wallets."""

from collections.abc import Iterable, Mapping, Sequence

from actors.bought import read_bought
from actors.ended import ended_key
from actors.orders import KnownOrder, order_key, read_orders
from actors.pc import PcState
from actors.runtime import ShardRuntime
from actors.store import ShardStore, StoredEntity
from actors.turn import CommandInput, Input, PcInput, PlayerInput
from actors.unreadable import UNREADABLE_ERRORS, UnreadableError
from actors.wallets import WalletKey, read_wallets
from actors.workspace import KnownHolder, Memory, bought_key, pc_key, player_key
from billing_core.hot_value import replace
from billing_core.wallet import Wallet
from schemas.catalogue import PlayerDocument


async def learn_for(runtime: ShardRuntime, store: ShardStore, inputs: Sequence[Input]) -> None:
    """Read what these inputs will be decided on and the shard does not hold: orders, then the
    holders they and the commands name."""
    chain_id = runtime.ownership.shard.chain_id
    memory = runtime.memory
    order_ids = memory.orders_wanted | {one for each in inputs for one in _orders_of(memory, each)}
    memory.orders_wanted = set()
    memory.orders, memory.unreadable_orders = await _read_orders(store, chain_id, order_ids)
    unknown = _wallets_to_read(runtime, inputs)
    if unknown:
        runtime.learn(*await read_holders(store, chain_id, unknown))


def _orders_of(memory: Memory, one: Input) -> Iterable[str]:
    """Orders an input may change: what a command names, and bills of sessions that have ended,
    which a PC that comes back may have something to say of."""
    if isinstance(one, CommandInput):
        return () if one.order_id is None else (one.order_id,)
    if not isinstance(one, PcInput):
        return ()
    pc = memory.entities.get(pc_key(one.pc_id))
    judged = pc.state.evidence.session_ids if pc and isinstance(pc.state, PcState) else ()
    return [session_id for session_id in judged if ended_key(session_id) in memory.entities]


async def _read_orders(
    store: ShardStore, chain_id: str, order_ids: set[str]
) -> tuple[dict[str, KnownOrder], dict[str, UnreadableError]]:
    """Orders as the store has them now; one that cannot be read costs only itself."""
    if not order_ids:
        return {}, {}
    try:
        return await read_orders(store, chain_id, order_ids), {}
    except UNREADABLE_ERRORS as error:
        if len(order_ids) == 1:
            (order_id,) = order_ids
            return {}, {order_id: UnreadableError(order_key(order_id), repr(error))}
    found: dict[str, KnownOrder] = {}
    unreadable: dict[str, UnreadableError] = {}
    for order_id in sorted(order_ids):
        orders, refused = await _read_orders(store, chain_id, {order_id})
        found |= orders
        unreadable |= refused
    return found, unreadable


def _wallets_to_read(runtime: ShardRuntime, inputs: Iterable[Input]) -> set[WalletKey]:
    """Wallets whose holders must be read before these inputs are decided."""
    memory, keys = runtime.memory, set[WalletKey]()
    for one in inputs:
        if isinstance(one, PlayerInput):
            keys |= {WalletKey(each, one.player_id) for each in memory.currencies}
            continue
        holder_id = _holder_of(memory, one)
        known = memory.holders.get(holder_id or "")
        if holder_id is None or (known is not None and known.unreadable is None):
            continue
        assert isinstance(one, CommandInput)
        club = runtime.clubs.get(one.envelope.club_id)
        if club is not None:
            keys.add(WalletKey(club.setup.terms.currency, holder_id))
    return keys | {WalletKey(each, name) for name in memory.forgotten for each in memory.currencies}


def _holder_of(memory: Memory, one: Input) -> str | None:
    """Whose money and bought time a command may touch, as far as it says."""
    if not isinstance(one, CommandInput):
        return None
    known = memory.orders.get(one.order_id or "")
    return one.player_id if known is None else known.order.holder_id


async def read_holders(
    store: ShardStore, chain_id: str, keys: Iterable[WalletKey]
) -> tuple[dict[str, KnownHolder], dict[WalletKey, Wallet]]:
    """Holders and wallets as the store has them now."""
    wanted = sorted(keys)
    holder_ids = sorted({key.holder_id for key in wanted})
    names = [name for holder in holder_ids for name in (player_key(holder), bought_key(holder))]
    documents = await store.documents(chain_id, names)
    holders = {holder: _known(holder, documents) for holder in holder_ids}
    return holders, await read_wallets(store, chain_id, wanted)


def _known(holder_id: str, documents: Mapping[str, StoredEntity]) -> KnownHolder:
    """A holder by its documents; one that cannot be read costs its own holder only."""
    document = documents.get(player_key(holder_id))
    bought = documents.get(bought_key(holder_id))
    known = KnownHolder(
        document_version=0 if document is None else document.version,
        bought_version=0 if bought is None else bought.version,
    )
    key = player_key(holder_id)
    try:
        if document is not None:
            known = replace(known, document=PlayerDocument.model_validate_json(document.blob))
        key = bought_key(holder_id)
        return known if bought is None else replace(known, bought=read_bought(bought.blob))
    except UNREADABLE_ERRORS as error:
        return replace(known, unreadable=UnreadableError(key, repr(error)))
