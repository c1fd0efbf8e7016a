"""Outages of PCs in the time of sessions: judged once the evidence is complete, then settled.

A session that is open is decided on as any other decision about it. One that has ended is kept
beside its final document (:class:`actors.ended.EndedSession`) until its PC has come back with its
journal, or was waited for long enough, and until staff has decided what is left to them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from actors.club import ClubSupervisor
from actors.drafting import Drafting
from actors.ended import EndedSession, ended_key
from actors.evidence import EVIDENCE_WAIT_MS, NO_EVIDENCE, Evidence, is_complete, judged, missing
from actors.order_events import told_of
from actors.orders import KnownOrder
from actors.pc import PcState
from actors.session import SessionActor
from actors.store import session_key
from actors.turn import Now
from billing_core.crediting import settle_outages
from billing_core.decision import Decision
from billing_core.outage import Finding, OutagePolicy, OutageStatus
from billing_core.sale import Order
from billing_core.sale_refund import with_outages
from billing_core.session import SessionMode, SessionState, SessionStatus
from billing_core.terms import Terms
from schemas.device import UsageRecord
from schemas.views import LinkState


def may_settle(club: ClubSupervisor, state: PcState) -> bool:
    """Whether everything about this PC's silences is known now."""
    return (
        bool(state.evidence)
        and state.link is LinkState.ONLINE
        and is_complete(state.evidence, club.pcs[state.pc_id].tie)
    )


@dataclass(frozen=True, slots=True)
class OutageDesk:
    """Outages of one club within one draft."""

    drafting: Drafting
    club: ClubSupervisor
    now: Now

    def noted(self, state: PcState, records: Iterable[UsageRecord]) -> PcState:
        """Keep what a PC's journal says of sessions that are not settled, or that cannot be read
        now: the PC forgets what it has handed over."""
        if self.club.setup.terms.outages is OutagePolicy.CONTINUE:
            return state
        marks = dict(state.usage_marks)
        known = [
            record
            for record in records
            if record.seq > marks.get(record.boot_id, -1) and self._is_open(record.session_id)
        ]
        evidence = state.evidence.told(known)
        return state if evidence is state.evidence else replace(state, evidence=evidence)

    def settle(self, pc_id: str, session_id: str) -> None:
        """Judge one session's time at a PC that is back, and let go of the evidence."""
        state, tie = self.drafting.pc(pc_id), self.club.pcs[pc_id].tie
        assert state is not None
        assert tie is not None
        subject = self._subject(session_id)
        if subject is not None:
            found = [
                finding
                for from_ms, until_ms in self._times_at(subject, pc_id)
                for finding in judged(
                    state.evidence, session_id, tie, from_ms=from_ms, until_ms=until_ms
                )
            ]
            self._settle(subject, pc_id, found)
        self._forget(pc_id, session_id)
        self._let_go(session_id)

    def give_up_waiting(self, session_id: str) -> None:
        """The PC never came back: staff decides on what was seen from outside."""
        subject = self._subject(session_id)
        assert subject is not None
        for pc_id in dict.fromkeys(link.pc_id for link in subject.device_links):
            found = [
                finding
                for _, until_ms in self._times_at(subject, pc_id)
                for finding in missing(self._evidence(pc_id), session_id, until_ms=until_ms)
            ]
            self._settle(self._subject(session_id) or subject, pc_id, found)
            self._forget(pc_id, session_id)
        self._let_go(session_id)

    def keep_unsettled(self) -> None:
        """Keep the sessions this draft ends about which something is open."""
        if self.club.setup.terms.outages is OutagePolicy.CONTINUE:
            return
        for state in self.drafting.closed:
            if state.status is not SessionStatus.ENDED or self.drafting.ended(state.session_id):
                continue
            waits = self._has_evidence(state)
            proposed = any(one.status is OutageStatus.PROPOSED for one in state.outages)
            if waits or proposed:
                version = self.drafting.version_after(state.session_id)
                wait_until_ms = self.now.wall_ms + EVIDENCE_WAIT_MS if waits else None
                bill, _ = self.drafting.orders_after.get(state.session_id, (None, 0))
                ended = EndedSession(state, version, wait_until_ms, bill=bill)
                self.drafting.put_ended(ended)

    def take_ended(self, ended: EndedSession, decision: Decision) -> SessionState:
        """Put a decision about a session that has ended into the draft: money, events, papers.
        The session as it then stands."""
        if decision.state == ended.state:
            return ended.state
        bill = self._bring_bill(ended, decision.state)
        version = ended.document_version + 1
        actor = SessionActor(self.club.setup, self.drafting, self.now)
        state = actor.correct(decision, version=version, bill=bill)
        self.drafting.put_corrected(state)
        after = replace(ended, state=state, document_version=version, bill=bill)
        self.drafting.put_ended(after)
        return state

    def _bring_bill(self, ended: EndedSession, after: SessionState) -> Order | None:
        """The session's bill as it is stored now: a post-pay one is lowered, and one that has left
        the store comes back with the final document, or that would give birth to it anew."""
        known = self._bill(ended.state)
        if known is None:
            return None
        at_ms, lowered = self.now.wall_ms, known.order
        if ended.state.mode is SessionMode.OPEN_ENDED:
            lowered = with_outages(known.order, ended.state, after, at_ms=at_ms)
        if lowered == known.order and known.version:
            return known.order
        order, events = told_of(known.order, lowered, at_ms=at_ms)
        self.drafting.put_order(order, known.version)
        self.drafting.order_events += events
        return order

    def _bill(self, state: SessionState) -> KnownOrder | None:
        """The bill of a session that is over, once money has moved on it: at version 0 if it has
        left the store meanwhile. Every other was paid as it ran."""
        known = self.drafting.order(state.session_id)
        if known is not None and known.version:
            return known
        ended = self.drafting.ended(state.session_id)
        return None if ended is None or ended.bill is None else KnownOrder(ended.bill, 0)

    def terms_after_end(self, state: SessionState) -> Terms:
        """The facts a decision about an ended session depends on: its own, and the wallet."""
        setup = self.club.setup
        club = setup.terms
        ended = self.drafting.ended(state.session_id)
        refunded = ended is not None and ended.refunded_minor > 0
        if (state.player_id is None or refunded) and club.outages is OutagePolicy.CREDIT:
            # A one-time guest is paid at the desk, so somebody has to be there; and who has given
            # money back by hand may have meant the same minutes.
            club = replace(club, outages=OutagePolicy.PROPOSE)
        bill, on_credit = self._bill(state), state.mode is SessionMode.OPEN_ENDED
        return Terms(
            club=club,
            tariffs=setup.tariffs,
            zone=setup.zone_terms_of(state.pc_id),
            wallet=self.drafting.wallet(SessionActor.wallet_key(state)),
            groups=state.groups,
            unpaid_minor=0 if bill is None or not on_credit else bill.order.due_minor,
        )

    def _settle(self, subject: SessionState, pc_id: str, found: Iterable[Finding]) -> None:
        now_ms = self.now.wall_ms
        if not subject.status.is_final:
            actor = SessionActor(self.club.setup, self.drafting, self.now)
            terms = actor.terms_of(subject)
            decision = settle_outages(subject, found, pc_id=pc_id, terms=terms, now_ms=now_ms)
            if decision.state != subject:
                actor.take(subject, decision, terms)
            return
        ended = self.drafting.ended(subject.session_id)
        assert ended is not None
        terms = self.terms_after_end(subject)
        decision = settle_outages(subject, found, pc_id=pc_id, terms=terms, now_ms=now_ms)
        self.take_ended(ended, decision)

    def _is_open(self, session_id: str) -> bool:
        unread = self.drafting.workspace.memory.unreadable
        is_unread = session_key(session_id) in unread or ended_key(session_id) in unread
        return is_unread or self._subject(session_id) is not None

    def _subject(self, session_id: str) -> SessionState | None:
        running = self.drafting.session(session_id)
        if running is not None:
            return running
        ended = self.drafting.ended(session_id)
        return None if ended is None else ended.state

    def _times_at(self, state: SessionState, pc_id: str) -> list[tuple[int, int]]:
        return [
            (link.start_at_ms, self.now.wall_ms if link.end_at_ms is None else link.end_at_ms)
            for link in state.device_links
            if link.pc_id == pc_id
        ]

    def _evidence(self, pc_id: str) -> Evidence:
        state = self.drafting.pc(pc_id)
        return NO_EVIDENCE if state is None else state.evidence

    def _has_evidence(self, state: SessionState) -> bool:
        pcs = {link.pc_id for link in state.device_links}
        return any(state.session_id in self._evidence(pc_id).session_ids for pc_id in pcs)

    def _forget(self, pc_id: str, session_id: str) -> None:
        state = self.drafting.pc(pc_id)
        if state is not None and session_id in state.evidence.session_ids:
            self.drafting.put_pc(replace(state, evidence=state.evidence.without(session_id)))

    def _let_go(self, session_id: str) -> None:
        """Wait no longer for an ended session none of whose PCs has anything left to say."""
        ended = self.drafting.ended(session_id)
        waits = ended is not None and ended.wait_until_ms is not None
        if ended is not None and waits and not self._has_evidence(ended.state):
            self.drafting.put_ended(replace(ended, wait_until_ms=None))
