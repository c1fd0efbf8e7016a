"""What is known of a PC's silences while somebody played on it, kept until it can be judged.

Edges, not beats: a silence is noted when it begins and when it ends, together with the PC's own
boot clock as last heard before and first heard after, so that the stretches in its journal can
be placed on the controller's time without believing the PC's calendar. It is stored with the PC,
so a verdict survives whoever hosted the club.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from billing_core.outage import OUTAGE_MIN_MS, Finding, JournalFact, LinkFact, Span, findings
from schemas.device import Serving, UsageEnd, UsageRecord

SILENCES_MAX: Final = 24
"""Silences kept of one PC; beyond them the oldest is forgotten, and charged."""
STRETCHES_MAX: Final = 48
EVIDENCE_WAIT_MS: Final = 24 * 3_600_000
"""How long after the end of a session its PC is waited for before staff decides without it."""

ONE_CLOCK_WITHIN_MS: Final = 10_000
"""Ties of one boot clock differ by no more: what a word was under way. A reboot moves it by all
the time the boot before had run."""


@dataclass(frozen=True, slots=True)
class ClockTie:
    """A PC's boot clock tied to the controller's time: ``wall = offset_ms + boot``.

    ``since_boot_ms`` is when the stretch of service it was in began, ``unsent`` how many finished
    ones it had not handed over.
    """

    boot_id: str
    offset_ms: int
    since_boot_ms: int | None = None
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """One stretch without a word from the PC during a session; open while ``until_ms`` is None."""

    session_id: str
    from_ms: int
    fact: LinkFact
    until_ms: int | None = None
    before: ClockTie | None = None
    after: ClockTie | None = None

    @property
    def is_untied(self) -> bool:
        """It is over, and the PC has not told its clock since."""
        return self.until_ms is not None and self.after is None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A usage record as far as it matters here, on the boot clock of its boot."""

    session_id: str
    boot_id: str
    from_boot_ms: int
    until_boot_ms: int
    end: UsageEnd


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything unsettled about one PC. Empty almost always."""

    silences: tuple[Silence, ...] = ()
    stretches: tuple[Stretch, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.silences or self.stretches)

    @property
    def is_open(self) -> bool:
        """The PC is silent now."""
        return any(one.until_ms is None for one in self.silences)

    @property
    def is_untied(self) -> bool:
        """The PC spoke again and has not told its clock since."""
        return any(one.is_untied for one in self.silences)

    @property
    def fact(self) -> LinkFact | None:
        """What kind of silence is on."""
        return next((one.fact for one in self.silences if one.until_ms is None), None)

    def is_open_for(self, session_id: str) -> bool:
        """The PC is silent now, in the time of this session."""
        return any(one.until_ms is None and one.session_id == session_id for one in self.silences)

    @property
    def session_ids(self) -> tuple[str, ...]:
        """The sessions it is about, in order."""
        named = [*(one.session_id for one in self.silences)]
        named += [one.session_id for one in self.stretches]
        return tuple(dict.fromkeys(named))

    def silent(self, silence: Silence) -> "Evidence":
        """A silence begins."""
        return replace(self, silences=(*self.silences, silence)[-SILENCES_MAX:])

    def turned(self, fact: LinkFact) -> "Evidence":
        """The silence that is on turns out to be another kind of it."""
        turned = [one if one.until_ms else replace(one, fact=fact) for one in self.silences]
        return replace(self, silences=tuple(turned))

    def heard(self, at_ms: int) -> "Evidence":
        """The PC speaks again. A silence too short to matter is forgotten at once."""
        kept = [
            one if one.until_ms else replace(one, until_ms=at_ms)
            for one in self.silences
            if one.until_ms or self.stretches or at_ms - one.from_ms >= OUTAGE_MIN_MS
        ]
        return replace(self, silences=tuple(kept))

    def tied(self, tie: ClockTie, at_ms: int) -> "Evidence":
        """What a PC that spoke again said of its clock at ``at_ms``."""
        if not any(one.is_untied and at_ms >= (one.until_ms or 0) for one in self.silences):
            return self
        tied = [replace(one, after=tie) if one.is_untied else one for one in self.silences]
        return replace(self, silences=tuple(tied))

    def told(self, records: Iterable[UsageRecord]) -> "Evidence":
        """Records of the PC's journal that say when it did not serve, or that fall in a silence."""
        kept = [
            Stretch(
                record.session_id,
                record.boot_id,
                record.started_boot_ms,
                record.ended_boot_ms,
                record.end,
            )
            for record in records
            if record.end is not UsageEnd.DOCUMENT or self.silences
        ]
        if not kept:
            return self
        return replace(self, stretches=(*self.stretches, *kept)[-STRETCHES_MAX:])

    def without(self, session_id: str) -> "Evidence":
        """What is left once a session is settled."""
        return Evidence(
            tuple(one for one in self.silences if one.session_id != session_id),
            tuple(one for one in self.stretches if one.session_id != session_id),
        )


NO_EVIDENCE: Final = Evidence()


def clock_tie(serving: Serving, wall_ms: int) -> ClockTie:
    """What a PC said of its clock, heard at ``wall_ms``."""
    return ClockTie(
        serving.boot_id,
        wall_ms - serving.boot_ms,
        serving.since_boot_ms,
        serving.unsent_usage_count,
    )


def is_complete(evidence: Evidence, tie: ClockTie | None) -> bool:
    """The PC is back and has handed over all of its journal."""
    return tie is not None and not (tie.unsent or evidence.is_open or evidence.is_untied)


def judged(
    evidence: Evidence, session_id: str, tie: ClockTie, *, from_ms: int, until_ms: int
) -> tuple[Finding, ...]:
    """The verdicts over a session's time at the PC, ``[from_ms, until_ms)``, by all that is known.

    ``tie`` is the PC's clock as it is now.
    """
    silences = [one for one in evidence.silences if one.session_id == session_id]
    link = [Span(s.from_ms, s.until_ms or until_ms, s.fact) for s in silences]
    journal = list(_journal(evidence, session_id, tie, until_ms=until_ms))
    return findings(link, journal, from_ms=from_ms, until_ms=until_ms)


def missing(evidence: Evidence, session_id: str, *, until_ms: int) -> tuple[Finding, ...]:
    """The verdict over a silence that never ended: nobody has the PC's journal."""
    for one in evidence.silences:
        if one.session_id == session_id and one.until_ms is None and one.from_ms < until_ms:
            link = [Span(one.from_ms, until_ms, one.fact)]
            journal = [Span(one.from_ms, until_ms, JournalFact.MISSING)]
            return findings(link, journal, from_ms=one.from_ms, until_ms=until_ms)
    return ()


@dataclass(frozen=True, slots=True)
class _Placed:
    boot_id: str
    offset_ms: int
    from_ms: int
    until_ms: int
    end: UsageEnd | None


def _journal(
    evidence: Evidence, session_id: str, tie: ClockTie, *, until_ms: int
) -> Iterator[Span[JournalFact]]:
    """What the journal says: stretches of service, and what lay between each and the next.

    A stretch of a boot nobody tied a clock to cannot be placed, so nothing is said of the time
    around it.
    """
    before: _Placed | None = None
    for placed in _placed(evidence, session_id, tie, until_ms=until_ms):
        if placed is None:
            before = None
            continue
        yield Span(placed.from_ms, placed.until_ms, JournalFact.SERVED)
        if before is not None and before.until_ms < placed.from_ms:
            yield Span(
                before.until_ms, placed.from_ms, _between(before, placed.boot_id, placed.offset_ms)
            )
        before = placed
    if before is not None and before.end is not None and before.until_ms < until_ms:
        yield Span(before.until_ms, until_ms, _between(before, tie.boot_id, tie.offset_ms))


def _placed(
    evidence: Evidence, session_id: str, tie: ClockTie, *, until_ms: int
) -> Iterator[_Placed | None]:
    offsets = _offsets(evidence.silences, tie)
    for one in evidence.stretches:
        if one.session_id != session_id:
            continue
        offset_ms = offsets.get(one.boot_id)
        if offset_ms is None:
            yield None
            continue
        from_ms, end_ms = one.from_boot_ms + offset_ms, one.until_boot_ms + offset_ms
        yield _Placed(one.boot_id, offset_ms, from_ms, end_ms, one.end)
    if tie.since_boot_ms is not None:
        from_ms = tie.since_boot_ms + tie.offset_ms
        yield _Placed(tie.boot_id, tie.offset_ms, from_ms, max(from_ms, until_ms), None)


def _offsets(silences: Sequence[Silence], now: ClockTie) -> dict[str, int]:
    """Boot -> offset of its clock, as told closest to when it mattered."""
    offsets = {now.boot_id: now.offset_ms}
    for silence in silences:
        for tie in (silence.before, silence.after):
            if tie is not None:
                offsets[tie.boot_id] = tie.offset_ms
    return offsets


def _between(stopped: _Placed, next_boot_id: str, next_offset_ms: int) -> JournalFact:
    """Why the PC did not serve from the end of one stretch until the next.

    A boot clock that starts again stands elsewhere against ours; one that goes on does not, and
    then it is the same boot whatever it is called: an agent may not be able to tell.
    """
    is_one_clock = abs(next_offset_ms - stopped.offset_ms) <= ONE_CLOCK_WITHIN_MS
    if stopped.boot_id != next_boot_id and not is_one_clock:
        return JournalFact.OFF
    return _GAPS[stopped.end]


_GAPS: Final = {
    UsageEnd.FROZEN: JournalFact.FROZEN,
    UsageEnd.LEASE_ENDED: JournalFact.LOCKED,
    UsageEnd.INTERRUPTED: JournalFact.AGENT_DOWN,
    UsageEnd.DOCUMENT: JournalFact.UNKNOWN,
    None: JournalFact.UNKNOWN,
}
"""How a stretch ended -> what followed it within the same boot."""
