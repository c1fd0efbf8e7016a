"""PcActor: the soft side of a PC. What was heard of it, when to act for it, what it lacks."""

from dataclasses import dataclass, replace
from typing import Final

from actors.evidence import ClockTie, Evidence, Silence
from actors.pc import PcState
from actors.presence import Presence, Signal, judged, signalled
from actors.turn import Now, PcInput
from billing_core.outage import OUTAGE_MIN_MS, LinkFact
from schemas.device import AgentFault
from schemas.views import LinkState

RESEND_AFTER_MS: Final = (5_000, 10_000, 20_000, 60_000)
"""Back-off between repeated desired documents to a PC that obeys another one."""
BEHIND_AFTER_MS: Final = 15_000
"""A PC that obeys another document than ours for this long is degraded."""
BOOTS_REMEMBERED: Final = 8
CLONED_FOR_MS: Final = 600_000
"""How long a PC counts as cloned after two machines were last heard under its name."""

BEHIND: Final = "behind"
"""Degraded: it does not apply what it is sent."""
CLONED: Final = "cloned"
"""Degraded: two machines speak with its credentials."""
_HARMLESS: Final = frozenset({AgentFault.LEASE_ENDED, AgentFault.TIME_UNPROVEN})
"""What a PC says when all is well: its time is over, or it has just been switched on."""


@dataclass(slots=True)
class PcActor:
    """One PC as this host has heard it. Instants ``_wall_ms`` are business time, all others are
    on the monotonic clock.

    ``unwatched_since_ms`` is since when (business time) nobody had it in sight, until it is
    first heard.
    """

    presence: Presence
    connection_epoch: int = 0
    unlock_by_ms: int | None = None
    resend_at_ms: int = 0
    resends: int = 0
    calm_at_ms: int | None = None
    """When an alert that was muted for flapping is due after all."""
    heard_wall_ms: int | None = None
    unwatched_since_ms: int | None = None
    tie: ClockTie | None = None
    tied_wall_ms: int = 0
    boots: tuple[str, ...] = ()
    cloned_until_ms: int = 0
    behind_since_ms: int | None = None
    faults: frozenset[str] | None = None
    """What the PC says is wrong with it; None before it says anything."""
    ui_ok: bool | None = None

    def hear(self, heard: PcInput, now: Now) -> None:
        """Take one fact into account, unless it is the last word of an older connection."""
        epoch = heard.connection_epoch
        if heard.signal is not Signal.HEARD and epoch is not None and epoch < self.connection_epoch:
            return
        if epoch is not None:
            self.connection_epoch = max(self.connection_epoch, epoch)
        before = judged(self.presence, heard.received_mono_ms)
        self.presence = signalled(before, heard.signal, heard.received_mono_ms)
        if heard.signal is Signal.HEARD:
            self.heard_wall_ms = now.wall_ms
            self._note_machine(heard, now)

    def _note_machine(self, heard: PcInput, now: Now) -> None:
        if heard.tie is not None:
            self._note_boot(heard.tie.boot_id, now.mono_ms)
            self.tie, self.tied_wall_ms = heard.tie, now.wall_ms
        if heard.faults is not None:
            self.faults = frozenset(heard.faults) - _HARMLESS
            self.ui_ok = AgentFault.LOCKER_FAILED not in heard.faults
        if heard.ui_ok is not None:
            self.ui_ok = heard.ui_ok

    def _note_boot(self, boot_id: str, now_mono_ms: int) -> None:
        """A boot never comes back: if it does after another one, there are two machines."""
        if self.boots and self.boots[-1] == boot_id:
            return
        if boot_id in self.boots:
            self.cloned_until_ms = now_mono_ms + CLONED_FOR_MS
        others = tuple(one for one in self.boots if one != boot_id)
        self.boots = (*others, boot_id)[-BOOTS_REMEMBERED:]

    def may_resend(self, now_mono_ms: int) -> bool:
        """Whether the document may be sent again now; counts the sending."""
        if now_mono_ms < self.resend_at_ms:
            return False
        step = RESEND_AFTER_MS[min(self.resends, len(RESEND_AFTER_MS) - 1)]
        self.resend_at_ms = now_mono_ms + step
        self.resends += 1
        return True

    def in_step(self) -> None:
        """The PC obeys the newest document: the next drift is answered at once."""
        self.resend_at_ms = 0
        self.resends = 0
        self.behind_since_ms = None

    def behind(self, now_mono_ms: int) -> None:
        """The PC obeys another document than ours."""
        if self.behind_since_ms is None:
            self.behind_since_ms = now_mono_ms

    @property
    def due_at_ms(self) -> int | None:
        """When silence, the wait of a transfer or a muted alert should be looked at."""
        deadlines = (self.presence.judge_at_ms, self.unlock_by_ms, self.calm_at_ms)
        return min((at for at in deadlines if at is not None), default=None)

    def described(self, before: PcState, after: PcState, now_mono_ms: int) -> PcState:
        """The PC with what is wrong with it; its clock is noted when it is written anyway."""
        degraded = self._degraded(after, now_mono_ms)
        if degraded != after.degraded:
            after = replace(after, degraded=degraded)
        if after is not before and self.tie is not None:
            after = replace(after, tie=self.tie)
        return after

    def _degraded(self, state: PcState, now_mono_ms: int) -> tuple[str, ...]:
        if self.faults is None:
            reasons = {one for one in state.degraded if one not in (BEHIND, CLONED)}
        else:
            reasons = set(self.faults)
        if self.ui_ok is not None:
            reasons.discard(AgentFault.LOCKER_FAILED)
        if self.ui_ok is False:
            reasons.add(AgentFault.LOCKER_FAILED)
        since_ms = self.behind_since_ms
        if since_ms is not None and now_mono_ms - since_ms > BEHIND_AFTER_MS:
            reasons.add(BEHIND)
        if now_mono_ms < self.cloned_until_ms:
            reasons.add(CLONED)
        return tuple(sorted(reasons)) if reasons else ()

    def witnessed(self, state: PcState, now: Now) -> PcState:
        """The PC with what its silence, or the end of it, means for whoever plays on it."""
        evidence, session_id = state.evidence, state.target.session_id
        if state.link is LinkState.ONLINE:
            evidence = self._heard_again(state, now)
        elif state.link is not LinkState.UNPROVISIONED:
            fact = LinkFact.BLIND if state.link is LinkState.LINK_UNKNOWN else LinkFact.SILENT
            if evidence.is_open and evidence.fact is not fact:
                evidence = evidence.turned(fact)
            if session_id is not None and not evidence.is_open_for(session_id):
                from_ms = self.heard_wall_ms or self.unwatched_since_ms or now.wall_ms
                tie = self.tie or state.tie
                evidence = evidence.silent(Silence(session_id, from_ms, fact, before=tie))
        return state if evidence is state.evidence else replace(state, evidence=evidence)

    def _heard_again(self, state: PcState, now: Now) -> Evidence:
        evidence, session_id = state.evidence, state.target.session_id
        since_ms, self.unwatched_since_ms = self.unwatched_since_ms, None
        long_ago = since_ms is not None and now.wall_ms - since_ms >= OUTAGE_MIN_MS
        if since_ms is not None and long_ago and session_id is not None and not evidence.is_open:
            silence = Silence(session_id, since_ms, LinkFact.BLIND, before=state.tie)
            evidence = evidence.silent(silence)
        if evidence.is_open:
            evidence = evidence.heard(now.wall_ms)
        if evidence.is_untied and self.tie is not None:
            evidence = evidence.tied(self.tie, self.tied_wall_ms)
        return evidence
