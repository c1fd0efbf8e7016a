"""Money that was paid between a backup and the loss of the store, paid in again.

The archive outlived the store and remembers every transaction. Those that only bring money from
a desk or the promo budget into a wallet are complete in themselves and are posted again. The
others were part of something the store has forgotten (a session, an order, a bought pack): the
money for it is back where it was before, and what is left is for people to see to.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from actors.clock import Clock
from actors.store import (
    SHARD_COUNT,
    ChainStream,
    Idempotency,
    Ownership,
    ShardId,
    Store,
    StoreError,
    Unit,
    UnitStatus,
)
from billing_core.stored import TRANSACTION
from controller.archive import Archive, replaying
from controller.archive.replaying import LostTransaction, Settled
from controller.terminal_audit import Terminal, note

OFFICE_SHARD: Final = SHARD_COUNT
"""Beyond all clubs, so that whoever writes from the office takes no club from its host."""
TRANSACTIONS_PER_COMMIT: Final = 100
ENTRIES_PER_READ: Final = 1_000
WALLET: Final = "wallet"
_WHOLE_KINDS: Final = frozenset({WALLET, "desk", "promo"})


@dataclass(frozen=True, slots=True)
class Left:
    """A transaction that cannot be posted again by itself."""

    transaction_id: str
    kind: str
    session_id: str | None
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to, of one chain or of all."""

    redone: int = 0
    replayed: int = 0
    dismissed: int = 0
    left: tuple[Left, ...] = ()

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.redone + other.redone,
            self.replayed + other.replayed,
            self.dismissed + other.dismissed,
            (*self.left, *other.left),
        )


async def replay(
    store: Store, archive: Archive, *, clock: Clock, by: Terminal, dismiss: bool = False
) -> Replayed:
    """Post what can be posted again, in every chain; clubs may be open meanwhile.

    May be stopped and called again: each transaction takes effect once. ``dismiss`` notes of
    what is left that people have seen to it. Each chain's audit has what was posted and that the
    rest was dismissed, as done ``by`` this terminal. Raises StoreError and ArchiveError.
    """
    done = Replayed()
    for chain_id in await store.chains():
        left = await _ChainReplay(store, archive, chain_id, clock=clock, by=by).run()
        done += left
        if dismiss and left.left:
            asked = {"left": len(left.left)}
            entry = by.entry("dismissLostTransactions", asked, at_ms=clock.wall_ms())
            await note(store, chain_id, entry)
            dismissed = await archive.transact(replaying.dismiss, chain_id)
            done = Replayed(done.redone, done.replayed, done.dismissed + dismissed)
    return done


class _ChainReplay:
    def __init__(
        self, store: Store, archive: Archive, chain_id: str, *, clock: Clock, by: Terminal
    ) -> None:
        self._clock = clock
        self._by = by
        self._store = store
        self._archive = archive
        self._chain_id = chain_id

    async def run(self) -> Replayed:
        done, after = Replayed(), 0
        newest = await self._not_archived()
        while lost := await self._archive.look(
            replaying.lost, self._chain_id, after=after, count=TRANSACTIONS_PER_COMMIT
        ):
            after = lost[-1].number
            done += await self._part(lost, newest)
        return done

    async def _not_archived(self) -> set[str]:
        after = await self._archive.cursor(self._chain_id, ChainStream.LEDGER)
        ids: set[str] = set()
        while read := await self._store.stream(
            self._chain_id, ChainStream.LEDGER, after=after, count=ENTRIES_PER_READ
        ):
            ids |= {orjson.loads(entry.payload)["id"] for entry in read}
            after = read[-1].entry_id
        return ids

    async def _part(self, lost: Sequence[LostTransaction], newest: set[str]) -> Replayed:
        ids = [one.transaction_id for one in lost]
        names = [*ids, *map(_again, ids)]
        known = newest | await self._archive.look(replaying.archived_ids, self._chain_id, names)
        redone, whole, left = [], [], []
        for one in lost:
            document = orjson.loads(one.document)
            if known & {one.transaction_id, _again(one.transaction_id)}:
                redone.append(one.number)
            elif _is_whole(document):
                whole.append((one.number, document))
            else:
                left.append(_left(document))
        if whole:
            await self._post([document for _, document in whole])
        numbers = [number for number, _ in whole]
        await self._archive.transact(replaying.settle, redone, Settled.REDONE)
        await self._archive.transact(replaying.settle, numbers, Settled.REPLAYED)
        return Replayed(len(redone), len(whole), 0, tuple(left))

    async def _post(self, documents: Sequence[Mapping[str, Any]]) -> None:
        shard = ShardId(self._chain_id, OFFICE_SHARD)
        nonce = secrets.token_hex(16)
        ownership = await self._store.acquire(shard, host="office", nonce=nonce)
        try:
            await self._commit(ownership, documents)
        finally:
            await self._store.release(ownership)

    async def _commit(self, ownership: Ownership, documents: Sequence[Mapping[str, Any]]) -> None:
        contents = await self._store.load(ownership)
        seq = 0 if contents is None else contents.seq
        units = [_unit(document, self._entry(document)) for document in documents]
        result = await self._store.commit(ownership, seq + 1, units)
        done = {UnitStatus.APPLIED, UnitStatus.DUPLICATE}
        if result.fenced or any(one.status not in done for one in result.outcomes):
            raise StoreError("another replay runs; see what it has done and call again")

    def _entry(self, document: Mapping[str, Any]) -> bytes:
        asked = {"transaction_id": document["id"], "amounts_minor": _deltas(document)}
        return self._by.entry("replayTransaction", asked, at_ms=self._clock.wall_ms())


def _again(transaction_id: str) -> str:
    """A name of its own: whoever sends the lost command again causes the first one's."""
    return f"replay/{transaction_id}"


def _is_whole(document: Mapping[str, Any]) -> bool:
    if document.get("session_id") is not None:
        return False
    for account, amount_minor in _deltas(document).items():
        kind = account.split(":")[1]
        if kind not in _WHOLE_KINDS or (kind == WALLET and amount_minor < 0):
            return False
    return True


def _left(document: Mapping[str, Any]) -> Left:
    return Left(document["id"], document["kind"], document.get("session_id"), _deltas(document))


def _deltas(document: Mapping[str, Any]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for side in document["entries"]:
        sums[side["account"]] = sums.get(side["account"], 0) + side["amount_minor"]
    return sums


def _unit(document: Mapping[str, Any], entry: bytes) -> Unit:
    name = _again(document["id"])
    # The fingerprint is of what was lost, so that a replay goes on that an older release began.
    fingerprint = sha256(orjson.dumps({**document, "id": name})).hexdigest()
    blob = orjson.dumps({**TRANSACTION.upgraded(document), "id": name})
    key = Idempotency(name, fingerprint, b"{}")
    deltas = tuple(_deltas(document).items())
    return Unit(deltas=deltas, transactions=(blob,), idempotency=key, audit=(entry,))
