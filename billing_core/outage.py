"""What a session's PC did while it was not heard, minute by minute, and what follows from it.

Two witnesses: the controller, who heard the PC or did not, and the PC's own journal, which says
when it served and why it stopped. :data:`VERDICTS` is what both together mean. Only service that
provably did not happen is given back: where the journal shows play, or says nothing, the player
has played.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from billing_core.money import MS_PER_MINUTE

OUTAGE_MIN_MS: Final = MS_PER_MINUTE
"""A shorter interruption is no outage: a PC that hiccups has served its minute."""
OUTAGES_MAX: Final = 50
"""Outages one session keeps; a PC that fails more often is staff's to look at."""


BY_CONTROLLER: Final = "clubctl"
"""Who decided on an outage that is our own: the grant we gave had ended, and that is stored."""


class OutagePolicy(StrEnum):
    """What a club does about minutes in which a PC did not serve."""

    CONTINUE = "CONTINUE"
    """Billing goes on."""
    CREDIT = "CREDIT"
    """They come back by themselves, with the evidence."""
    PROPOSE = "PROPOSE"
    """The same, once staff approves."""


class LinkFact(StrEnum):
    """What the controller knows of a PC at an instant."""

    HEARD = "HEARD"
    SILENT = "SILENT"
    """This PC alone was not heard."""
    BLIND = "BLIND"
    """Nobody could be heard: the broker, the club's uplink or the controller was away."""


class JournalFact(StrEnum):
    """What the PC's journal says of an instant."""

    SERVED = "SERVED"
    OFF = "OFF"
    """The PC ended, and began anew under another boot."""
    FROZEN = "FROZEN"
    """The PC was on and its agent did not run, and then went on."""
    LOCKED = "LOCKED"
    """The PC was on and locked, because nobody renewed its right to be open."""
    AGENT_DOWN = "AGENT_DOWN"
    """Agent ended and was started anew while the PC was on."""
    UNKNOWN = "UNKNOWN"
    """It does not reach here."""
    MISSING = "MISSING"
    """The PC has not come back with it, long after the session."""


class Verdict(StrEnum):
    """What a minute was."""

    PLAYED = "PLAYED"
    PC_OFF = "PC_OFF"
    FROZEN = "FROZEN"
    LINK_ONLY = "LINK_ONLY"
    """Only the link was out; the PC is not shown to have stopped serving."""
    OUR_FAULT = "OUR_FAULT"
    """The PC could serve and was locked, because the controller did not reach it."""


_WITHOUT_LINK: Final[Mapping[JournalFact, Verdict]] = MappingProxyType(
    {
        JournalFact.SERVED: Verdict.LINK_ONLY,
        JournalFact.OFF: Verdict.PC_OFF,
        JournalFact.FROZEN: Verdict.FROZEN,
        JournalFact.LOCKED: Verdict.OUR_FAULT,
        JournalFact.AGENT_DOWN: Verdict.LINK_ONLY,
        JournalFact.UNKNOWN: Verdict.LINK_ONLY,
        JournalFact.MISSING: Verdict.PC_OFF,
    }
)
_HEARD: Final[Mapping[JournalFact, Verdict]] = MappingProxyType(
    dict.fromkeys(JournalFact, Verdict.PLAYED) | {JournalFact.LOCKED: Verdict.OUR_FAULT}
)

VERDICTS: Final[Mapping[tuple[LinkFact, JournalFact], Verdict]] = MappingProxyType(
    {(LinkFact.HEARD, fact): verdict for fact, verdict in _HEARD.items()}
    | {(LinkFact.SILENT, fact): verdict for fact, verdict in _WITHOUT_LINK.items()}
    | {(LinkFact.BLIND, fact): verdict for fact, verdict in _WITHOUT_LINK.items()}
)
"""(what the controller knew, what the journal says) -> what the minute was. Complete."""

NOT_SERVED: Final = frozenset({Verdict.PC_OFF, Verdict.FROZEN, Verdict.OUR_FAULT})
"""Verdicts under which a minute comes back."""

Fact = TypeVar("Fact", LinkFact, JournalFact)


@dataclass(frozen=True, slots=True)
class Span(Generic[Fact]):
    """A fact that held in ``[from_ms, until_ms)``, UTC milliseconds."""

    from_ms: int
    until_ms: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict over ``[from_ms, until_ms)`` and the two facts it rests on."""

    from_ms: int
    until_ms: int
    verdict: Verdict
    link: LinkFact
    journal: JournalFact

    @property
    def duration_ms(self) -> int:
        """How long it held."""
        return self.until_ms - self.from_ms

    @property
    def is_proven(self) -> bool:
        """The PC's own journal is part of it."""
        return self.journal is not JournalFact.MISSING


def findings(
    link: Sequence[Span[LinkFact]],
    journal: Sequence[Span[JournalFact]],
    *,
    from_ms: int,
    until_ms: int,
) -> tuple[Finding, ...]:
    """Verdicts over all of ``[from_ms, until_ms)``, in order, without a gap.

    Where no span of the link holds the PC was heard; where none of the journal holds it says
    nothing. Of spans that overlap the first counts. Neighbours with the same facts are one.
    """
    edges = [edge for span in link for edge in (span.from_ms, span.until_ms)]
    edges += [edge for span in journal for edge in (span.from_ms, span.until_ms)]
    ordered = sorted({from_ms, until_ms, *(at for at in edges if from_ms < at < until_ms)})
    found: list[Finding] = []
    for begin_ms, end_ms in pairwise(ordered):
        heard = _fact_at(link, begin_ms) or LinkFact.HEARD
        told = _fact_at(journal, begin_ms) or JournalFact.UNKNOWN
        if found and (found[-1].link, found[-1].journal) == (heard, told):
            found[-1] = replace(found[-1], until_ms=end_ms)
        else:
            found.append(Finding(begin_ms, end_ms, VERDICTS[heard, told], heard, told))
    return tuple(found)


def _fact_at(spans: Iterable[Span[Fact]], at_ms: int) -> Fact | None:
    for span in spans:
        if span.from_ms <= at_ms < span.until_ms:
            return span.fact
    return None


def verdict_at(found: Iterable[Finding], at_ms: int) -> Verdict:
    """The verdict of the minute that begins at ``at_ms``: a minute is what it began as."""
    for finding in found:
        if finding.from_ms <= at_ms < finding.until_ms:
            return finding.verdict
    return Verdict.PLAYED


class OutageStatus(StrEnum):
    """What became of an outage."""

    CHARGED = "CHARGED"
    """The PC is not shown to have failed."""
    CREDITED = "CREDITED"
    PROPOSED = "PROPOSED"
    """It waits for staff."""
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage of a session's PC as the session keeps it: evidence, verdict, money.

    ``number`` counts from 0 per session and is part of the transactions' ids. ``credited_ms`` is
    the billed time that came back, ``amount_minor`` its price (``bonus_minor`` of it in bonus);
    while it is proposed, what would. ``decided_by`` names who approved or rejected it.
    """

    number: int
    pc_id: str
    from_ms: int
    until_ms: int
    verdict: Verdict
    link: LinkFact
    journal: JournalFact
    status: OutageStatus
    credited_ms: int = 0
    amount_minor: int = 0
    bonus_minor: int = 0
    decided_by: str | None = None
    decided_at_ms: int | None = None
