"""Sees every batch the store's twin judges, and keeps books of its own.

The witness trusts nothing it is told: who owns a shard is who took it last, and a batch counts
once, in its turn. It also keeps the whole history, and every document as it was written last,
whatever is trimmed, archived or dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson

from actors.store import (
    CommitResult,
    Ownership,
    ShardId,
    Unit,
    UnitStatus,
)
from actors.store_memory import MemoryStore
from actors.store_memory_server import MemoryServer
from actors.wallets import wallet_key_of
from actors.workspace import player_key
from controller.simulation.credits import Credits
from controller.simulation.reckoning import lasted_no_time
from controller.simulation.seating import Seating
from controller.simulation.tariffs import CASH_BACK, FORFEITED
from schemas.catalogue import PlayerDocument

LimitOf = Callable[[str], int]
_CREDIT: Final = "credit"
_SESSION: Final = "session:"
_BOUGHT: Final = "bought:"
_ORDER: Final = "order:"


@dataclass(slots=True)
class Witness:
    """``transactions`` and ``events`` are payloads in the order they took effect.

    ``sessions``, ``packs`` and ``orders`` are stored documents by id: session states, bought
    tariffs, orders.
    """

    violations: list[str] = field(default_factory=list)
    transactions: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    nonces: dict[ShardId, str] = field(default_factory=dict)
    seqs: dict[ShardId, int] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    batches: int = 0
    sessions: dict[str, bytes] = field(default_factory=dict)
    packs: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders: dict[str, bytes] = field(default_factory=dict)
    seating: Seating = field(default_factory=Seating)
    credits: Credits = field(default_factory=Credits)

    def took(self, ownership: Ownership) -> None:
        """Somebody owns a shard from now on."""
        self.nonces[ownership.shard] = ownership.nonce

    def judged(
        self,
        ownership: Ownership,
        seq: int,
        *,
        units: Sequence[Unit],
        result: CommitResult,
        limit_of: LimitOf,
    ) -> None:
        """A batch was judged and not answered from memory; ``limit_of`` says how far below nothing
        an account might go then."""
        self.batches += 1
        shard = ownership.shard
        if self.nonces.get(shard) != ownership.nonce:
            self.violations.append(f"{ownership.host} wrote {shard}, which another host owns")
        if seq != self.seqs.get(shard, 0) + 1:
            self.violations.append(f"batch {seq} of {shard} follows {self.seqs.get(shard, 0)}")
        self.seqs[shard] = seq
        for unit, outcome in zip(units, result.outcomes, strict=True):
            if outcome.status is UnitStatus.APPLIED:
                self._applied(unit, limit_of)

    def _applied(self, unit: Unit, limit_of: LimitOf) -> None:
        self.events += unit.events
        self.transactions += unit.transactions
        posted = [orjson.loads(payload) for payload in unit.transactions]
        for transaction in posted:
            self._posted(transaction, limit_of)
        for write in unit.entities:
            if write.blob is not None:
                self._written(write.key, write.blob)
        for closed in unit.closes:
            self._session_written(orjson.loads(closed.document)["state"])
        for transaction in posted:
            if transaction["kind"] == _CREDIT:
                session = orjson.loads(self.sessions[transaction["session_id"]])
                self.violations += self.credits.posted(transaction, session)
        for write in unit.entities:
            if write.blob is None and write.key.startswith(_BOUGHT):
                self._guest_gone(write.key.removeprefix(_BOUGHT))

    def _guest_gone(self, holder_id: str) -> None:
        """What a guest had left is gone with the guest: given back or not, as its tariff says.

        Nothing of a session that took no time is lost, and of what was never begun only what its
        tariff says is.
        """
        session = orjson.loads(self.sessions[holder_id.removeprefix("guest-")])
        is_void = session["actual_start_at_ms"] is None or lasted_no_time(session)
        packs = (one["pack"] for one in session["segments"] if one["pack"] is not None)
        begun = {one["player_tariff_id"] for one in packs}
        for name, pack in self.packs.items():
            if pack["holder_id"] == holder_id and pack["status"] == "OPEN":
                tariff_id = pack["tariff"]["id"]
                is_whole = name not in begun and tariff_id not in FORFEITED
                is_cash = is_void or is_whole or tariff_id in CASH_BACK
                self.packs[name] = {**pack, "status": "REFUNDED" if is_cash else "USED_UP"}

    def _written(self, key: str, blob: bytes) -> None:
        if key.startswith(_SESSION):
            self._session_written(orjson.loads(blob))
        elif key.startswith(_BOUGHT):
            self.packs.update(
                (one["player_tariff_id"], one) for one in orjson.loads(blob)["player_tariffs"]
            )
        elif key.startswith(_ORDER):
            self.orders[key.removeprefix(_ORDER)] = blob

    def _session_written(self, state: dict[str, Any]) -> None:
        self.sessions[state["session_id"]] = orjson.dumps(state)
        self.violations += self.seating.saw(state)

    def _posted(self, transaction: dict[str, Any], limit_of: LimitOf) -> None:
        name = str(transaction["id"])
        if name in self.ids:
            self.violations.append(f"transaction {name} took effect twice")
        self.ids.add(name)
        total_minor = 0
        entries = transaction["entries"]
        assert isinstance(entries, list)
        for entry in entries:
            account, amount_minor = entry["account"], entry["amount_minor"]
            total_minor += amount_minor
            self.balances[account] = self.balances.get(account, 0) + amount_minor
        if total_minor:
            self.violations.append(f"transaction {name} sums to {total_minor}")
        for entry in entries:
            account, is_taken = entry["account"], entry["amount_minor"] < 0
            held_minor = self.balances[account]
            is_debt = ":wallet:" in account and is_taken and held_minor < 0
            if is_debt and held_minor < -limit_of(account):
                self.violations.append(f"{account} fell to {held_minor} by {name}")


class WitnessedStore(MemoryStore):
    """The twin, with a witness at its side."""

    def __init__(self, server: MemoryServer, witness: Witness, *, host: str = "") -> None:
        super().__init__(server, host=host)
        self._witness = witness

    async def acquire(self, shard: ShardId, *, host: str, nonce: str) -> Ownership:
        """See :meth:`actors.store.ShardStore.acquire`."""
        ownership = await super().acquire(shard, host=host, nonce=nonce)
        self._witness.took(ownership)
        return ownership

    async def release(self, ownership: Ownership) -> bool:
        """See :meth:`actors.store.ShardStore.release`."""
        released = await super().release(ownership)
        if released:
            self._witness.nonces.pop(ownership.shard, None)
        return released

    async def commit(self, ownership: Ownership, seq: int, units: Sequence[Unit]) -> CommitResult:
        """See :meth:`actors.store.ShardStore.commit`."""
        before = self._lease(ownership.shard).result
        result = await super().commit(ownership, seq, units)
        if not result.fenced and result is not before:
            chain_id = ownership.shard.chain_id
            self._witness.judged(
                ownership,
                seq,
                units=units,
                result=result,
                limit_of=partial(self._limit_minor, chain_id),
            )
        return result

    def _limit_minor(self, chain_id: str, account: str) -> int:
        """How far below nothing an account may go, as its player's document has it now."""
        key = wallet_key_of(account)
        if key is None or account != key.accounts[0]:
            return 0
        stored = self._server.chain(chain_id).documents.get(player_key(key.holder_id))
        if stored is None:
            return 0
        player = PlayerDocument.model_validate_json(stored.blob)
        return player.credit_limit_minor(key.currency)
