"""A batch as the commit script reads it, and the script's answer as the port says it.

The plan names fields by index and blobs by their place among the arguments, so that the script
decodes a few small numbers per unit and never parses a document.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from actors.store_keys import ChainKeys
from actors.store_values import (
    AUDIT_MAX_ENTRIES,
    IDEMPOTENCY_RETENTION_MS,
    LIVE_STREAM_MAX_ENTRIES,
    MAX_AMOUNT_MINOR,
    MAX_UNITS_PER_COMMIT,
    ClosedSession,
    CommitResult,
    EntityWrite,
    Idempotency,
    Ownership,
    Scope,
    StoredEntity,
    Unit,
    UnitOutcome,
    UnitStatus,
    session_key,
)

_ENTITY, _DOCUMENT, _READ, _EXPECT, _RELEASE, _CLAIM, _DELTA = range(1, 8)
_IDEMPOTENCY, _TRANSACTIONS, _EVENTS, _CLOSE, _INDEX, _HALL, _AUDIT, _SEEN = range(8, 16)
_FIRST_BLOB = 9
_FENCED = b"F"
_STATUS_OF_LETTER = {
    ord("A"): UnitStatus.APPLIED,
    ord("D"): UnitStatus.DUPLICATE,
    ord("K"): UnitStatus.KEY_REUSED,
    ord("S"): UnitStatus.STALE,
    ord("B"): UnitStatus.BALANCE,
    ord("C"): UnitStatus.CLAIMED,
    ord("R"): UnitStatus.OUT_OF_RANGE,
    ord("U"): UnitStatus.UNBALANCED,
}

Item = int | str


def check_batch(units: Sequence[Unit]) -> None:
    """Raise ValueError for a batch that no store may take: a programmer error, found early."""
    if len(units) > MAX_UNITS_PER_COMMIT:
        raise ValueError(f"{len(units)} units, at most {MAX_UNITS_PER_COMMIT} fit one commit")
    for unit in units:
        sums: dict[str, int] = {}
        for account, amount_minor in unit.deltas:
            if abs(amount_minor) > MAX_AMOUNT_MINOR:
                raise ValueError(f"amount out of range on {account}: {amount_minor}")
            sums[account[:3]] = sums.get(account[:3], 0) + amount_minor
        if any(sums.values()):
            raise ValueError(f"deltas do not sum to zero: {unit.deltas}")


def stored_form(version: int, blob: bytes) -> bytes:
    """``<version>:<json>``."""
    return b"%d:%b" % (version, blob)


def entity_of(key: str, stored: bytes) -> StoredEntity:
    """Inverse of :func:`stored_form`."""
    version, _, blob = stored.partition(b":")
    return StoredEntity(key, int(version), blob)


def closed_version(unit: Unit, close: ClosedSession) -> int:
    """The version of a final document, see :class:`actors.store_values.ClosedSession`."""
    if close.version is not None:
        return close.version
    key = session_key(close.session_id)
    return next((w.expected_version + 1 for w in unit.entities if w.key == key), 1)


class _Index(dict[str, int]):
    """Numbers names in the order they are first met, from 1 as the script counts."""

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self) + 1
        return number

    @property
    def names(self) -> list[str]:
        return list(self)


@dataclass(slots=True)
class _Plan:
    blobs: list[bytes] = field(default_factory=list)
    shard_fields: _Index = field(default_factory=_Index)
    document_fields: _Index = field(default_factory=_Index)
    accounts: _Index = field(default_factory=_Index)
    claims: _Index = field(default_factory=_Index)
    idempotency_keys: _Index = field(default_factory=_Index)
    clubs: _Index = field(default_factory=_Index)
    units: list[Item] = field(default_factory=list)

    def blob(self, blob: bytes) -> int:
        self.blobs.append(blob)
        return _FIRST_BLOB + len(self.blobs) - 1

    def add(self, unit: Unit) -> None:
        """Sections in the order in which a unit is judged: a known key answers before all else."""
        sections: list[Item] = []
        if unit.idempotency is not None:
            sections += (_IDEMPOTENCY, 1, *self._idempotency(unit.idempotency))
        if unit.entities:
            self._add_entities(unit.entities, sections)
        for tag, index, pairs in (
            (_READ, self.document_fields, unit.reads),
            (_SEEN, self.shard_fields, unit.seen),
            (_EXPECT, self.accounts, unit.expects),
        ):
            if pairs:
                sections += (tag, len(pairs))
                for name, value in pairs:
                    sections += (index[name], value)
        for tag, claims in ((_RELEASE, unit.releases), (_CLAIM, unit.claims)):
            if claims:
                sections += (tag, len(claims))
                for claim in claims:
                    sections += (self.claims[claim.name], claim.holder)
        self._add_money(unit, sections)
        if unit.closes or unit.indexes or unit.hall:
            self._add_views(unit, sections)
        self.units.append(len(sections))
        self.units += sections

    def _idempotency(self, entry: Idempotency) -> tuple[Item, ...]:
        number = self.idempotency_keys[entry.key]
        return number, entry.fingerprint, self.blob(idempotency_form(entry))

    def _add_entities(self, writes: Sequence[EntityWrite], sections: list[Item]) -> None:
        for tag, scope, index in (
            (_ENTITY, Scope.SHARD, self.shard_fields),
            (_DOCUMENT, Scope.CHAIN, self.document_fields),
        ):
            scoped = [write for write in writes if write.scope is scope]
            if scoped:
                sections += (tag, len(scoped))
            for write in scoped:
                version = write.expected_version
                blob = write.blob
                argument = 0 if blob is None else self.blob(stored_form(version + 1, blob))
                sections += (index[write.key], version, argument)

    def _add_money(self, unit: Unit, sections: list[Item]) -> None:
        if unit.deltas:
            sections += (_DELTA, len(unit.deltas))
            for account, amount_minor in unit.deltas:
                sections += (self.accounts[account], amount_minor)
        for tag, blobs in (
            (_TRANSACTIONS, unit.transactions),
            (_EVENTS, unit.events),
            (_AUDIT, unit.audit),
        ):
            if blobs:
                sections += (tag, 1, _FIRST_BLOB + len(self.blobs), len(blobs))
                self.blobs += blobs

    def _add_views(self, unit: Unit, sections: list[Item]) -> None:
        if unit.closes:
            sections += (_CLOSE, len(unit.closes))
        for close in unit.closes:
            version = closed_version(unit, close)
            sections += (close.session_id, self.blob(stored_form(version, close.document)))
        if unit.indexes:
            sections += (_INDEX, len(unit.indexes))
        for session_id, club_id in unit.indexes:
            sections += (session_id, club_id)
        if unit.hall:
            sections += (_HALL, len(unit.hall))
        for write in unit.hall:
            sections += (self.clubs[write.club_id], write.pc_id, self.blob(write.tile))


def idempotency_form(entry: Idempotency) -> bytes:
    """``<length>:<fingerprint><reply>``."""
    fingerprint = entry.fingerprint.encode()
    return b"%d:%b%b" % (len(fingerprint), fingerprint, entry.reply)


def idempotency_of(key: str, stored: bytes) -> Idempotency:
    """Inverse of :func:`idempotency_form`."""
    length, _, rest = stored.partition(b":")
    return Idempotency(key, rest[: int(length)].decode(), rest[int(length) :])


def encode_batch(
    ownership: Ownership, seq: int, units: Sequence[Unit]
) -> tuple[list[str], list[bytes | str | int]]:
    """KEYS and ARGV of the commit script. Raises ValueError as :func:`check_batch` does."""
    check_batch(units)
    plan = _Plan()
    for unit in units:
        plan.add(unit)
    shard = ownership.shard
    chain = ChainKeys(shard.chain_id)
    keys = [chain.shard(shard.number), chain.lease(shard.number)]
    keys += map(
        chain.of,
        ("documents", "balances", "ledger", "outbox", "claims", "index", "closed", "audit"),
    )
    keys += map(chain.idempotency, plan.idempotency_keys.names)
    for club_id in plan.clubs.names:
        keys += (chain.hall(club_id), chain.live(club_id))
    header = orjson.dumps(
        (
            plan.shard_fields.names,
            plan.document_fields.names,
            plan.accounts.names,
            plan.claims.names,
            len(plan.idempotency_keys.names),
            plan.units,
        )
    )
    prefix = f"{shard.chain_id} {ownership.host}"
    limits = (IDEMPOTENCY_RETENTION_MS, LIVE_STREAM_MAX_ENTRIES, AUDIT_MAX_ENTRIES)
    return keys, [header, ownership.epoch, ownership.nonce, seq, prefix, *limits, *plan.blobs]


def decode_result(reply: bytes) -> CommitResult:
    """What the commit script answered."""
    if reply == _FENCED:
        return CommitResult(fenced=True)
    letters, _, rest = reply.partition(b"\n")
    details = _Details(rest)
    return CommitResult(
        fenced=False, outcomes=tuple(_outcome(letter, details) for letter in letters)
    )


_APPLIED = UnitOutcome(UnitStatus.APPLIED)


def _outcome(letter: int, details: "_Details") -> UnitOutcome:
    status = _STATUS_OF_LETTER[letter]
    match status:
        case UnitStatus.APPLIED:
            return _APPLIED
        case UnitStatus.DUPLICATE:
            return UnitOutcome(status, reply=details.next())
        case UnitStatus.KEY_REUSED:
            return UnitOutcome(status)
        case UnitStatus.STALE | UnitStatus.OUT_OF_RANGE | UnitStatus.UNBALANCED:
            return UnitOutcome(status, name=details.text())
        case UnitStatus.BALANCE:
            count = int(details.next())
            pairs = tuple((details.text(), int(details.next())) for _ in range(count))
            return UnitOutcome(status, balances=pairs)
        case UnitStatus.CLAIMED:
            return UnitOutcome(status, name=details.text(), holder=details.text())
    raise AssertionError(f"the script does not say {status}")


class _Details:
    """Reads ``<length>:<bytes>`` one after another."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._at = 0

    def next(self) -> bytes:
        colon = self._source.index(b":", self._at)
        start = colon + 1
        self._at = start + int(self._source[self._at : colon])
        return self._source[start : self._at]

    def text(self) -> str:
        return self.next().decode()
