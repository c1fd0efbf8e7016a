"""What every step of an agent ends in: lock or unlock, write down, show, report. Pure."""

from typing import Final

from pc_daemon import answers
from pc_daemon.agent_state import (
    Action,
    AgentState,
    Forget,
    MemoryImage,
    Persist,
    Record,
    Screen,
    Send,
    Show,
)
from pc_daemon.clock import Instant
from pc_daemon.judgement import Verdict, judge, warning_level
from pc_daemon.lease import PERSIST_EVERY_MS, Grant
from pc_daemon.maintenance import MAX_WRONG_CODES
from schemas.device import PcMode, UsageEnd
from schemas.hot_value import replace
from schemas.journal_events import JournalEventKind

USAGE_RETRY_BEATS: Final = 6
"""Heartbeats after which unacknowledged usage is offered again: beats are real time."""

Outcome = tuple[AgentState, tuple[Action, ...]]


def reconciled(state: AgentState, actions: tuple[Action, ...], now: Instant) -> Outcome:
    """Bring screen, memory, journal and report in line with what the document allows now."""
    verdict = judge(state, now)
    state = _maintained(state, verdict, now)
    state = _accounted(state, verdict, now)
    state, shown = _shown(state, verdict, now)
    state, recorded = _recorded(state)
    state, persisted = _persisted(state, now)
    state, told = _told(state, verdict, now)
    state, forgotten = _forgotten(state)
    return state, (*recorded, *persisted, *shown, *actions, *told, *forgotten)


def _accounted(state: AgentState, verdict: Verdict, now: Instant) -> AgentState:
    """Keep the usage book in step with the mode; a grant that ended stays ended."""
    stretch, usage = state.usage.stretch, state.usage
    grant = verdict.grant
    served = None if grant is None else (grant.session_id, grant.lease_id)
    if stretch is not None and served != (stretch.session_id, stretch.lease_id):
        end = UsageEnd.LEASE_ENDED if verdict.lease_ended else UsageEnd.DOCUMENT
        usage = usage.closed(state.identity.boot_id, end, now)
    if grant is not None and usage.stretch is None:
        usage = usage.opened(grant.session_id, grant.lease_id, now)
    grants = state.grants
    if verdict.lease_ended:
        grants = tuple(_latched(grant, now) for grant in grants)
    if usage is state.usage and grants is state.grants and verdict.mode is state.mode:
        return state
    return replace(state, usage=usage, grants=grants, mode=verdict.mode)


def _maintained(state: AgentState, verdict: Verdict, now: Instant) -> AgentState:
    """A technician's time ends with its window, or when a player's begins; it is written down."""
    window = state.maintenance
    if window is None or not (window.is_over(now) or verdict.mode is PcMode.UNLOCKED):
        return state
    usage, boot_id = state.usage, state.identity.boot_id
    if window.opened_at is not None:
        since = window.opened_at
        usage = usage.noted(JournalEventKind.MAINTENANCE, boot_id=boot_id, since=since, until=now)
    elif window.wrong_codes >= MAX_WRONG_CODES:
        detail = "wrong technician codes"
        kind = JournalEventKind.TAMPER
        usage = usage.noted(kind, boot_id=boot_id, since=now, until=now, detail=detail)
    return replace(state, maintenance=None, usage=usage)


def _latched(grant: Grant, now: Instant) -> Grant:
    return grant.settled(now) if grant.remaining_ms(now) == 0 else grant


def _shown(state: AgentState, verdict: Verdict, now: Instant) -> Outcome:
    document = state.document
    screen = Screen(mode=verdict.mode)
    if document is not None:
        unlocked = verdict.mode is PcMode.UNLOCKED
        screen = Screen(
            mode=verdict.mode,
            reason=document.reason,
            club=document.club_name,
            title=document.title,
            message=document.message,
            player_label=document.player_label,
            ends_at_ms=document.ends_at_ms if unlocked else None,
            warning=warning_level(state, verdict, now),
            lease_seq=None if verdict.grant is None else verdict.grant.seq,
        )
    left_ms = None if verdict.grant is None else verdict.grant.remaining_ms(now)
    window = state.maintenance
    if window is not None and window.opened_at is not None:
        screen = Screen(PcMode.UNLOCKED, club=screen.club, title=screen.title, maintenance=True)
        left_ms = window.left_ms(now)
    if screen == state.screen:
        return state, ()
    return replace(state, screen=screen), (Show(screen, lock_after_ms=left_ms),)


def _recorded(state: AgentState) -> Outcome:
    """Whatever is new in the book goes to the journal first."""
    book = state.usage
    fresh = tuple(entry for entry in book.entries if entry.seq >= state.journaled_seq)
    if not fresh:
        return state, ()
    return replace(state, journaled_seq=book.next_seq), (Record(fresh),)


def _forgotten(state: AgentState) -> Outcome:
    """What was acknowledged, or dropped, may leave the journal once the memory is written."""
    book = state.usage
    needed_seq = book.entries[0].seq if book.entries else book.next_seq
    if needed_seq <= state.forgotten_seq or not state.journal_ok:
        return state, ()
    return replace(state, forgotten_seq=needed_seq), (Forget(needed_seq),)


def _persisted(state: AgentState, now: Instant) -> Outcome:
    if state.persisted is not None and _is_fresh(state.persisted, state, now):
        return state, ()
    image = MemoryImage(
        boot_id=state.identity.boot_id,
        at=now,
        connection_epoch=state.connection_epoch,
        document=state.document,
        observed=state.observed,
        applied=state.applied,
        lease_fault=state.lease_fault,
        grants=tuple(grant.settled(now) for grant in state.grants),
        results=state.results,
        calendar=state.calendar,
        stretch=state.usage.stretch,
        next_seq=state.usage.next_seq,
        dropped_count=state.usage.dropped_count,
    )
    return replace(state, persisted=image), (Persist(image),)


def _is_fresh(last: MemoryImage, state: AgentState, now: Instant) -> bool:
    unchanged = (
        last.document is state.document
        and last.stretch is state.usage.stretch
        and last.next_seq == state.usage.next_seq
        and last.results is state.results
        and last.calendar is state.calendar
        and last.connection_epoch == state.connection_epoch
    )
    is_counting = any(grant.remaining_ms(last.at) > 0 for grant in last.grants)
    return unchanged and not (is_counting and now.boot_ms - last.at.boot_ms >= PERSIST_EVERY_MS)


def _told(state: AgentState, verdict: Verdict, now: Instant) -> Outcome:
    """Report what changed and offer usage, one batch at a time until it is acknowledged."""
    if not state.connected:
        return state, ()
    sends: list[Action] = []
    if not answers.is_reported(state, verdict):
        report = answers.reported(state, verdict, now)
        state = replace(state, reported=report)
        sends.append(Send(report))
    sent_beat = state.usage_sent_beat
    due = sent_beat is None or state.heartbeat_seq - sent_beat >= USAGE_RETRY_BEATS
    if due and state.usage.entries:
        sends.append(Send(answers.usage_batch(state)))
        state = replace(state, usage_sent_beat=state.heartbeat_seq)
    return state, tuple(sends)
