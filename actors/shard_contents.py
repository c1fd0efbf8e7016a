"""Stored entities back to states: the reading side of every takeover."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import orjson

from actors.club_events import CLUB_KEY_PREFIX, ClubState
from actors.ended import EndedSession
from actors.evidence import ClockTie, Evidence
from actors.pc import STATE_VERSION, Grant, Hold, PcState, SentCommand, Target
from actors.store import ENDED_KEY_PREFIX, SESSION_KEY_PREFIX, StoredEntity, session_key
from actors.unreadable import UNREADABLE_ERRORS, Unreadable
from actors.workspace import PC_KEY_PREFIX, Entity, Versioned
from billing_core.stored import SESSION, Plain, StoredKind, from_plain, session_from_dict
from schemas.device import DeviceCommandKind, LockReason, WarningLevel
from schemas.views import LinkState

PC: Final = StoredKind(STATE_VERSION)
CLUB: Final = StoredKind(1)


def _with_session_of_today(ended: Plain) -> Plain:
    return {**ended, "state": SESSION.upgraded(ended["state"])}


ENDED: Final = StoredKind(2, {1: _with_session_of_today})


@dataclass(frozen=True, slots=True)
class ShardEntities:
    """A shard's entities by key: those that could be read, and what is wrong with the others."""

    readable: dict[str, Versioned]
    unreadable: dict[str, Unreadable]


def read_shard(entities: Sequence[StoredEntity]) -> ShardEntities:
    """Every entity that can be read; one that cannot costs only itself."""
    found = ShardEntities({}, {})
    for entity in entities:
        try:
            found.readable[entity.key] = Versioned(_state(entity), entity.version)
        except UNREADABLE_ERRORS as error:
            found.unreadable[entity.key] = Unreadable(repr(error), _pc_named(entity))
    return found


def decode_shard(entities: Sequence[StoredEntity]) -> dict[str, Versioned]:
    """States by key. Raises ValueError naming the entity that does not decode."""
    found = read_shard(entities)
    for key, unreadable in found.unreadable.items():
        raise ValueError(f"stored {key}: {unreadable.reason}")
    return found.readable


def untouchable_pcs(
    readable: Mapping[str, Versioned], unreadable: Mapping[str, Unreadable]
) -> frozenset[str]:
    """PCs to be left as they are: their own document, or that of a session on them, is
    unreadable."""
    pcs = {one.pc_id for one in unreadable.values() if one.pc_id is not None}
    pcs |= {key.removeprefix(PC_KEY_PREFIX) for key in unreadable if key.startswith(PC_KEY_PREFIX)}
    states = (entity.state for entity in readable.values())
    shown = {one.pc_id: one.target.session_id or "" for one in states if isinstance(one, PcState)}
    pcs |= {pc_id for pc_id, session_id in shown.items() if session_key(session_id) in unreadable}
    return frozenset(pcs)


def _pc_named(entity: StoredEntity) -> str | None:
    """The PC of a document of which nothing else is certain."""
    if entity.key.startswith(ENDED_KEY_PREFIX):
        return None
    try:
        named = orjson.loads(entity.blob).get("pc_id")
    except UNREADABLE_ERRORS:
        return None
    return named if isinstance(named, str) else None


def _state(entity: StoredEntity) -> Entity:
    raw = orjson.loads(entity.blob)
    if entity.key.startswith(SESSION_KEY_PREFIX):
        return session_from_dict(raw)
    if entity.key.startswith(CLUB_KEY_PREFIX):
        return from_plain(ClubState, CLUB.upgraded(raw))
    if entity.key.startswith(ENDED_KEY_PREFIX):
        raw = ENDED.upgraded(raw)
        return from_plain(EndedSession, {**raw, "state": SESSION.upgraded(raw["state"])})
    return pc_from_dict(PC.upgraded(raw))


def pc_from_dict(raw: Mapping[str, Any]) -> PcState:
    """A PC as stored."""
    target = _with_shared_text(raw["target"])
    grant = target["grant"]
    target["warning"] = WarningLevel(target["warning"])
    target["reason"] = LockReason(target.get("reason", LockReason.FREE))
    target["grant"] = None if grant is None else Grant(**_with_shared_text(grant))
    hold = raw.get("hold")
    read = {
        "link": LinkState(raw["link"]),
        "target": Target(**target),
        "hold": None if hold is None else Hold(**hold),
        "command": _sent_command(raw.get("command")),
        "usage_marks": tuple((boot_id, seq) for boot_id, seq in raw.get("usage_marks", ())),
        "tie": None if raw.get("tie") is None else ClockTie(**raw["tie"]),
        "evidence": from_plain(Evidence, raw.get("evidence") or {}),
        "degraded": tuple(raw.get("degraded", ())),
    }
    return PcState(**{**_with_shared_text(raw), **read})


def _with_shared_text(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields, each text kept once: a PC and its session name each other many times."""
    return {name: intern(value) if type(value) is str else value for name, value in raw.items()}


def _sent_command(raw: dict[str, Any] | None) -> SentCommand | None:
    return None if raw is None else SentCommand(**{**raw, "kind": DeviceCommandKind(raw["kind"])})
