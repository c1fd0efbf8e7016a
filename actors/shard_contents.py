"""Stored entities back to states: the reading side of every takeover."""

from collections.abc import Sequence
from sys import intern
from typing import Any

import orjson

from actors.club_events import CLUB_KEY_PREFIX, ClubState
from actors.ended import EndedSession
from actors.evidence import ClockTie, Evidence
from actors.pc import Grant, Hold, PcState, SentCommand, Target
from actors.store import ENDED_KEY_PREFIX, SESSION_KEY_PREFIX, StoredEntity
from actors.workspace import Entity, Versioned
from billing_core.stored import from_plain, session_from_dict
from schemas.device import DeviceCommandKind, LockReason, WarningLevel
from schemas.views import LinkState


def decode_shard(entities: Sequence[StoredEntity]) -> dict[str, Versioned]:
    """States by key. Raises ValueError naming the entity that does not decode."""
    decoded = {}
    for entity in entities:
        try:
            decoded[entity.key] = Versioned(_state(entity), entity.version)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"stored {entity.key}: {error!r}") from error
    return decoded


def _state(entity: StoredEntity) -> Entity:
    raw = orjson.loads(entity.blob)
    if entity.key.startswith(SESSION_KEY_PREFIX):
        return session_from_dict(raw)
    if entity.key.startswith(CLUB_KEY_PREFIX):
        return ClubState(**raw)
    if entity.key.startswith(ENDED_KEY_PREFIX):
        return from_plain(EndedSession, raw)
    return pc_from_dict(raw)


def pc_from_dict(raw: dict[str, Any]) -> PcState:
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


def _with_shared_text(raw: dict[str, Any]) -> dict[str, Any]:
    """The same fields, each text kept once: a PC and its session name each other many times."""
    return {name: intern(value) if type(value) is str else value for name, value in raw.items()}


def _sent_command(raw: dict[str, Any] | None) -> SentCommand | None:
    return None if raw is None else SentCommand(**{**raw, "kind": DeviceCommandKind(raw["kind"])})
