"""ClubSupervisor: what the PCs of one club do, heard and judged, and what they should do.

Holds no durable state of its own: PCs and sessions are entities of the shard, presence is
soft and is learned again within a heartbeat.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from actors.club_setup import ClubSetup
from actors.pc import PcState, applied, is_ahead, is_behind
from actors.pc_actor import PcActor
from actors.presence import (
    OUTAGE_WINDOW_MS,
    Presence,
    Signal,
    is_outage,
    judged,
    postponed,
    recovered,
    signalled,
)
from actors.turn import Now, PcInput
from billing_core.outage import OutagePolicy
from schemas.events import LinkDownCause
from schemas.views import LinkState

OUTAGE_MAX_MS: Final = 600_000
"""After this the incident is over and whoever is still silent is judged alone."""
UNLOCK_WAIT_MS: Final = 2_000
"""How long a new seat waits for the old one to confirm its lock."""
BROKER_AWAY_MS: Final = 10_000
"""Without the broker for this long a host says that it knows nothing of a club."""


@dataclass(slots=True)
class ClubSupervisor:
    """One club's PCs, their presence, and the club's outages."""

    club_id: str
    setup: ClubSetup
    parked: AbstractSet[str] = frozenset()
    """Entities that keep failing: their PCs keep the grant they have and get no other."""
    untouchable: AbstractSet[str] = frozenset()
    """PCs whose own document, or that of a session on them, cannot be read: they keep what they
    were last sent."""
    wakeable: bool = False
    """Whether this host reaches the club's network with a magic packet."""
    pcs: dict[str, PcActor] = field(default_factory=dict)
    outage_since_ms: int | None = None
    suspected_at_ms: dict[str, int] = field(default_factory=dict)
    lost_pcs: set[str] = field(default_factory=set)
    """Who fell silent with the outage; half of them heard again ends it."""
    blind_since_ms: int | None = None
    """Since when this host has been without the broker."""

    def adopt(
        self,
        pc_id: str,
        state: PcState | None,
        *,
        now: Now,
        known: Presence | None,
        before: PcActor | None = None,
        billed_until_ms: int | None = None,
    ) -> None:
        """Begin to watch a PC. ``known`` is what this host heard of it a moment ago, ``before``
        its actor until now; else ``billed_until_ms`` says when somebody last watched over it.
        """
        stored = LinkState.UNPROVISIONED if state is None else state.link
        presence = known if known is not None else recovered(stored, now.mono_ms)
        waits = state is not None and state.waits_for is not None
        actor = PcActor(presence) if before is None else replace(before, presence=presence)
        actor.unlock_by_ms = now.mono_ms + UNLOCK_WAIT_MS if waits else None
        if before is None and billed_until_ms is not None:
            actor.unwatched_since_ms = min(now.wall_ms, billed_until_ms)
        self.pcs[pc_id] = actor

    def go_on_from(self, before: "ClubSupervisor") -> None:
        """Keep what is known of the link when the club is configured anew."""
        self.outage_since_ms = before.outage_since_ms
        self.blind_since_ms = before.blind_since_ms
        known = self.setup.pcs.keys()
        self.lost_pcs = before.lost_pcs & known
        suspected = before.suspected_at_ms.items()
        self.suspected_at_ms = {pc_id: at_ms for pc_id, at_ms in suspected if pc_id in known}

    @property
    def is_heard(self) -> bool:
        """Whether any of the club's PCs is."""
        return any(map(_is_online, self.pcs.values()))

    @property
    def due_at_ms(self) -> int | None:
        """When the club's incident should be looked at: it begins, or has lasted long enough."""
        over_at_ms = None if self.outage_since_ms is None else self.outage_since_ms + OUTAGE_MAX_MS
        instants = (self.broker_due_at_ms, over_at_ms)
        return min((at for at in instants if at is not None), default=None)

    def look_at_outage(self, now: Now) -> None:
        """End an outage that is over, by return or by age."""
        if self.outage_since_ms is not None:
            self._watch_return(now)

    @property
    def broker_due_at_ms(self) -> int | None:
        """When the absence of the broker becomes an incident."""
        return None if self.blind_since_ms is None else self.blind_since_ms + BROKER_AWAY_MS

    def incident(self, now: Now) -> LinkDownCause | None:
        """Why nothing is known of the club now, if that is so."""
        broker_due_at_ms = self.broker_due_at_ms
        if broker_due_at_ms is not None and broker_due_at_ms <= now.mono_ms:
            return LinkDownCause.BROKER
        return None if self.outage_since_ms is None else LinkDownCause.CLUB

    def blind(self, now: Now) -> None:
        """The broker is out of sight: nobody's silence counts."""
        if self.blind_since_ms is None:
            self.blind_since_ms = now.mono_ms
            self.lost_pcs = {pc_id for pc_id, actor in self.pcs.items() if _was_expected(actor)}
        for actor in self.pcs.values():
            actor.presence = signalled(actor.presence, Signal.BLIND, now.mono_ms)

    def sighted(self, now: Now) -> None:
        """The broker or the club is back: everybody unknown gets a fresh grace."""
        self.blind_since_ms = None
        for actor in self.pcs.values():
            actor.presence = signalled(actor.presence, Signal.SIGHTED, now.mono_ms)

    def postpone(self, by_ms: int) -> None:
        """The host was late: move every deadline of silence."""
        for actor in self.pcs.values():
            actor.presence = postponed(actor.presence, by_ms)

    def judge(self, pc_id: str, now: Now) -> None:
        """Apply silence to one PC and see whether the whole club has gone silent."""
        actor = self.pcs[pc_id]
        before = actor.presence.link
        actor.presence = judged(actor.presence, now.mono_ms)
        self._watch_outage(pc_id, before, now)

    def _watch_outage(self, pc_id: str, before: LinkState, now: Now) -> None:
        actor = self.pcs[pc_id]
        if actor.presence.link is LinkState.ONLINE:
            self.suspected_at_ms.pop(pc_id, None)
        elif actor.presence.link is LinkState.SUSPECT and before is LinkState.ONLINE:
            self.suspected_at_ms[pc_id] = now.mono_ms
        if self.outage_since_ms is not None:
            together = now.mono_ms - self.outage_since_ms <= OUTAGE_WINDOW_MS
            if together and before in _AUDIBLE and _is_silent(actor):
                self.lost_pcs.add(pc_id)
                actor.presence = signalled(actor.presence, Signal.BLIND, now.mono_ms)
            self._watch_return(now)

    def _watch_return(self, now: Now) -> None:
        assert self.outage_since_ms is not None
        returned = sum(1 for pc_id in self.lost_pcs if _is_online(self.pcs[pc_id]))
        lasts_ms = now.mono_ms - self.outage_since_ms
        if 2 * returned >= len(self.lost_pcs) or lasts_ms >= OUTAGE_MAX_MS:
            self.outage_since_ms = None
            self.suspected_at_ms.clear()
            self.sighted(now)

    def begins_outage(self, now: Now) -> bool:
        """Whether the club has just fallen silent as a whole; its PCs are then unknown."""
        if self.outage_since_ms is not None:
            return False
        self._forget_old_suspicions(now)
        silent = list(self.suspected_at_ms.values())
        if not silent:
            return False
        online = sum(map(_is_online, self.pcs.values()))
        if not is_outage(silent, online + len(silent), now.mono_ms):
            return False
        self.outage_since_ms = now.mono_ms
        self.lost_pcs = set(self.suspected_at_ms)
        for pc_id in self.suspected_at_ms:
            actor = self.pcs[pc_id]
            actor.presence = signalled(actor.presence, Signal.BLIND, now.mono_ms)
        return True

    def _forget_old_suspicions(self, now: Now) -> None:
        """Who fell silent long ago, or said goodbye, tells nothing of what happens now."""
        oldest_ms = now.mono_ms - OUTAGE_WINDOW_MS
        self.suspected_at_ms = {
            pc_id: at_ms
            for pc_id, at_ms in self.suspected_at_ms.items()
            if at_ms > oldest_ms and _is_silent(self.pcs[pc_id])
        }

    def link_of(self, pc_id: str) -> LinkState:
        """How well a PC is heard now."""
        return self.pcs[pc_id].presence.link

    def hear(self, heard: PcInput, now: Now) -> None:
        """Take one fact about a PC."""
        actor = self.pcs[heard.pc_id]
        before = actor.presence.link
        actor.hear(heard, now)
        self._watch_outage(heard.pc_id, before, now)

    def wants_resend(self, heard: PcInput, state: PcState, *, epoch: int, now: Now) -> bool:
        """Whether a PC that spoke should be sent its document again."""
        actor = self.pcs[heard.pc_id]
        if heard.wants_desired and heard.applied is None:
            return True
        if heard.applied is None:
            return False
        if not is_behind(state, heard.applied, epoch):
            actor.in_step()
            return False
        actor.behind(now.mono_ms)
        if is_ahead(heard.applied, epoch):
            return False
        return heard.wants_desired or actor.may_resend(now.mono_ms)

    def noted(self, state: PcState, heard: PcInput, *, epoch: int, now: Now) -> PcState:
        """The durable side of what was heard: the link's edge, and what the PC says it does."""
        after = self.with_link(state, now)
        if heard.applied is not None:
            after = applied(after, heard.applied, epoch=epoch, now_ms=now.wall_ms)
        return self.pcs[state.pc_id].described(state, after, now.mono_ms)

    def with_link(self, state: PcState, now: Now) -> PcState:
        """The PC's durable state under its present link, with what is to be kept of a silence."""
        actor = self.pcs[state.pc_id]
        linked = state.linked(actor.presence.link, now.wall_ms)
        if self.setup.terms.outages is OutagePolicy.CONTINUE:
            return linked
        return actor.witnessed(linked, now)


_AUDIBLE: Final = frozenset({LinkState.ONLINE, LinkState.LINK_UNKNOWN})


def _is_silent(actor: PcActor) -> bool:
    return actor.presence.link in (LinkState.SUSPECT, LinkState.NOT_RESPONDING)


def _is_online(actor: PcActor) -> bool:
    return actor.presence.link is LinkState.ONLINE


def _was_expected(actor: PcActor) -> bool:
    return actor.presence.link not in (LinkState.OFF, LinkState.UNPROVISIONED)
