"""How an agent begins with what it remembers. Pure."""

from dataclasses import replace
from typing import Final

from pc_daemon.agent_state import FROZEN_AFTER_MS, AgentState, HeldBack, Identity, MemoryImage
from pc_daemon.calendar_anchor import Calendar
from pc_daemon.clock import Instant
from pc_daemon.judgement import document_fault
from pc_daemon.trust import Trust
from pc_daemon.usage import Entry, UsageBook
from schemas.device import UsageEnd, UsageRecord
from schemas.journal_events import JournalEventKind

NO_MEMORY: Final = "no memory"
SAME_BOOT: Final = "agent"
NEW_BOOT: Final = "machine"
"""What a BOOT event says has started."""


def begin(
    identity: Identity,
    image: MemoryImage | None,
    now: Instant,
    *,
    entries: tuple[Entry, ...] = (),
    trust: Trust | None = None,
    frozen_after_ms: int = FROZEN_AFTER_MS,
) -> AgentState:
    """The state of an agent that starts with what its journal holds.

    ``now`` is as the machine says. Without an image it starts locked, and with pinned keys it
    opens for nobody before the controller has told it the time.
    """
    same_boot = image is not None and _is_same_boot(identity, image, now)
    calendar = Calendar.begun(None if image is None else image.calendar, now, same_boot=same_boot)
    now = calendar.read(now)
    state = AgentState(
        identity=identity,
        calendar=calendar,
        trust=trust or Trust(),
        usage=_book(image, entries, now),
        journaled_seq=entries[-1].seq + 1 if entries else 0,
        frozen_after_ms=frozen_after_ms,
    )
    if image is not None:
        state = _recalled(state, image, now, same_boot=same_boot)
    kind, started = JournalEventKind.BOOT, SAME_BOOT if same_boot else NEW_BOOT
    detail = NO_MEMORY if image is None else started
    book = state.usage.noted(kind, boot_id=identity.boot_id, since=now, until=now, detail=detail)
    return replace(state, usage=book)


def _is_same_boot(identity: Identity, image: MemoryImage, now: Instant) -> bool:
    """Whatever its name: a boot clock that went back is another's."""
    return image.boot_id == identity.boot_id and now.boot_ms >= image.at.boot_ms


def _recalled(
    state: AgentState, image: MemoryImage, now: Instant, *, same_boot: bool
) -> AgentState:
    state = replace(
        state,
        connection_epoch=image.connection_epoch,
        document=image.document,
        observed=image.observed,
        applied=image.applied,
        lease_fault=image.lease_fault,
        grants=tuple(grant.resumed(now, same_boot=same_boot) for grant in image.grants),
        results=image.results,
    )
    if image.document is None:
        return state
    fault = document_fault(state, image.document)
    if fault is None:
        return state
    # A key that has been withdrawn since opens nothing any more.
    return replace(state, document=None, held_back=HeldBack(image.document, fault))


def _book(image: MemoryImage | None, entries: tuple[Entry, ...], now: Instant) -> UsageBook:
    """The book as memory and journal tell it together."""
    behind_seq = entries[-1].seq + 1 if entries else 0
    if image is None:
        # With the memory gone, only the boot clock tells which numbers this boot has not used.
        return UsageBook(entries=entries, next_seq=max(behind_seq, now.boot_ms))
    # A record the image knows nothing of was written just before the agent died: it ended the
    # stretch that the image believes to run.
    ended = any(isinstance(one, UsageRecord) and one.seq >= image.next_seq for one in entries)
    book = UsageBook(
        stretch=None if ended else image.stretch,
        entries=entries,
        next_seq=max(image.next_seq, behind_seq),
        dropped_count=image.dropped_count,
    )
    return book.closed(image.boot_id, UsageEnd.INTERRUPTED, image.at)
