"""How well a PC is heard, judged by receipt on this host's monotonic clock.

Device timestamps play no part. Facts arrive as :class:`Signal`; silence is found by deadlines.
A late host, a lost broker and a silent club move or freeze the deadlines (see
:class:`PresenceWatch`), so that an outage is one incident and not an alarm per PC.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from billing_core.hot_value import replace
from schemas.views import LinkState

SUSPECT_AFTER_MS: Final = 25_000
NOT_RESPONDING_AFTER_MS: Final = 40_000
WILL_GRACE_MS: Final = 10_000
RECOVERY_GRACE_MS: Final = 40_000

OUTAGE_MIN_PCS: Final = 3
OUTAGE_RATIO: Final = 0.55
OUTAGE_WINDOW_MS: Final = 30_000

FLAPPING_EDGES: Final = 4
FLAPPING_WINDOW_MS: Final = 600_000


class Signal(StrEnum):
    """What was heard of a PC."""

    HEARD = "heard"
    """Any live message of its own: birth, heartbeat, report, usage."""
    WILL = "will"
    """The broker says its connection broke."""
    GOODBYE = "goodbye"
    """It disconnected on purpose: shutdown or reboot."""
    BLIND = "blind"
    """This host lost the broker, or the club is out: nothing can be known."""
    SIGHTED = "sighted"
    """The broker or the club is back: everybody gets a fresh grace."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One PC's link and since when, on the monotonic clock.

    ``heard_at_ms`` is the last receipt; ``judge_at_ms`` the next instant silence matters, None
    when silence means nothing (off, never provisioned, or the host itself is blind).
    """

    link: LinkState
    heard_at_ms: int | None = None
    judge_at_ms: int | None = None
    edges_at_ms: tuple[int, ...] = ()

    @property
    def is_flapping(self) -> bool:
        """Four edges within ten minutes: alerts are muted until it calms down."""
        return len(self.edges_at_ms) >= FLAPPING_EDGES

    @property
    def calm_at_ms(self) -> int | None:
        """When a flapping PC has been quiet for long enough; None when it does not flap."""
        return self.edges_at_ms[-1] + FLAPPING_WINDOW_MS if self.is_flapping else None


_HEARD_FROM: Final = dict.fromkeys(LinkState, LinkState.ONLINE)
_WILL_FROM: Final = {
    LinkState.ONLINE: LinkState.SUSPECT,
    LinkState.SUSPECT: LinkState.SUSPECT,
}
_GOODBYE_FROM: Final = {link: LinkState.OFF for link in LinkState if link != "UNPROVISIONED"}
_BLIND_FROM: Final = {
    LinkState.ONLINE: LinkState.LINK_UNKNOWN,
    LinkState.SUSPECT: LinkState.LINK_UNKNOWN,
    LinkState.NOT_RESPONDING: LinkState.LINK_UNKNOWN,
    LinkState.LINK_UNKNOWN: LinkState.LINK_UNKNOWN,
}
_SIGHTED_FROM: Final = {LinkState.LINK_UNKNOWN: LinkState.LINK_UNKNOWN}

TRANSITIONS: Final = {
    Signal.HEARD: _HEARD_FROM,
    Signal.WILL: _WILL_FROM,
    Signal.GOODBYE: _GOODBYE_FROM,
    Signal.BLIND: _BLIND_FROM,
    Signal.SIGHTED: _SIGHTED_FROM,
}
"""Signal -> link before -> link after. A missing pair changes nothing."""

_JUDGE_AFTER_MS: Final = {
    Signal.HEARD: SUSPECT_AFTER_MS,
    Signal.WILL: WILL_GRACE_MS,
    Signal.GOODBYE: None,
    Signal.BLIND: None,
    Signal.SIGHTED: RECOVERY_GRACE_MS,
}

SILENCE: Final = {
    LinkState.ONLINE: (LinkState.SUSPECT, NOT_RESPONDING_AFTER_MS - SUSPECT_AFTER_MS),
    LinkState.SUSPECT: (LinkState.NOT_RESPONDING, None),
    LinkState.LINK_UNKNOWN: (LinkState.NOT_RESPONDING, None),
}
"""Link before -> (link after a silent deadline, ms until the next deadline)."""


def recovered(stored: LinkState, now_ms: int) -> Presence:
    """Presence of a PC just loaded: unknown until heard or until the grace has passed."""
    if stored in (LinkState.UNPROVISIONED, LinkState.OFF):
        return Presence(stored)
    return Presence(LinkState.LINK_UNKNOWN, judge_at_ms=now_ms + RECOVERY_GRACE_MS)


def _moved(presence: Presence, link: LinkState, now_ms: int) -> Presence:
    if link == presence.link:
        return presence
    recent = tuple(at for at in presence.edges_at_ms if at > now_ms - FLAPPING_WINDOW_MS)
    edges = (*recent, now_ms)[-FLAPPING_EDGES:]
    return replace(presence, link=link, edges_at_ms=edges)


def signalled(presence: Presence, signal: Signal, now_ms: int) -> Presence:
    """Apply one fact received at ``now_ms`` (monotonic)."""
    after = TRANSITIONS[signal].get(presence.link)
    if after is None:
        return presence
    if signal is Signal.WILL and presence.link is LinkState.SUSPECT:
        deadline = min(presence.judge_at_ms or now_ms + WILL_GRACE_MS, now_ms + WILL_GRACE_MS)
        return replace(presence, judge_at_ms=deadline)
    after_ms = _JUDGE_AFTER_MS[signal]
    judge_at_ms = None if after_ms is None else now_ms + after_ms
    if signal is Signal.HEARD and presence.link is LinkState.ONLINE:
        return replace(presence, heard_at_ms=now_ms, judge_at_ms=judge_at_ms)
    moved = _moved(presence, after, now_ms)
    heard_at_ms = now_ms if signal is Signal.HEARD else presence.heard_at_ms
    return replace(moved, heard_at_ms=heard_at_ms, judge_at_ms=judge_at_ms)


def judged(presence: Presence, now_ms: int) -> Presence:
    """Apply silence: every deadline that has passed by ``now_ms``."""
    while presence.judge_at_ms is not None and presence.judge_at_ms <= now_ms:
        link, next_ms = SILENCE[presence.link]
        judge_at_ms = None if next_ms is None else presence.judge_at_ms + next_ms
        presence = replace(_moved(presence, link, now_ms), judge_at_ms=judge_at_ms)
    return presence


def postponed(presence: Presence, by_ms: int) -> Presence:
    """The host itself was late by ``by_ms``: silence in that time says nothing."""
    if presence.judge_at_ms is None:
        return presence
    return replace(presence, judge_at_ms=presence.judge_at_ms + by_ms)


def is_outage(silent_since_ms: list[int], expected: int, now_ms: int) -> bool:
    """More than two and at least 55 % of the expected PCs fell silent within 30 s.

    ``silent_since_ms`` are the instants the silent PCs became suspect; ``expected`` counts the
    PCs that were online before.
    """
    recent = sum(1 for at in silent_since_ms if at > now_ms - OUTAGE_WINDOW_MS)
    return recent >= OUTAGE_MIN_PCS and recent >= OUTAGE_RATIO * max(1, expected)
