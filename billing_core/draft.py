"""A decision in the making: the one mutable thing in this room, alive for one call."""

from billing_core.coverage import Coverage, CoverageCause, CoverageStatus
from billing_core.decision import Decision
from billing_core.events import Event, EventKind, EventValue
from billing_core.hot_value import replace
from billing_core.ledger import Account, Transaction, TransactionKind, entries_of
from billing_core.plan import Situation
from billing_core.player_tariff import PlayerTariff
from billing_core.pricing import Run
from billing_core.session import (
    EndedReason,
    Extension,
    Segment,
    SessionDevice,
    SessionState,
    SessionStatus,
)
from billing_core.tariff import Tariff
from billing_core.terms import Terms
from billing_core.wallet import Wallet


class Draft:
    """Starts as a state under its terms, collects changes, and becomes a Decision.

    ``strides_until_ms`` makes it bill in strides up to that instant, one posting per price
    instead of one per step: the same amounts, for forecasts that post nothing.
    """

    __slots__ = (
        "_run",
        "actual_end_at_ms",
        "actual_start_at_ms",
        "before",
        "coverage",
        "device_links",
        "ended_reason",
        "event_seq",
        "events",
        "extensions",
        "forfeits",
        "groups",
        "known_wallet",
        "low_balance_warned",
        "outages",
        "packs",
        "pc_id",
        "player_id",
        "segments",
        "status",
        "strides_until_ms",
        "terms",
        "transactions",
        "unpaid_minor",
        "wallet",
        "warned",
        "zone_id",
    )

    def __init__(self, state: SessionState, terms: Terms) -> None:
        self.before = state
        if state.actual_start_at_ms is not None and terms.groups != state.groups:
            terms = replace(terms, groups=state.groups)
        self.terms = terms
        self.status = state.status
        self.pc_id = state.pc_id
        self.zone_id = state.zone_id
        self.player_id = state.player_id
        self.groups = state.groups
        self.wallet = terms.wallet
        self.unpaid_minor = terms.unpaid_minor
        self.segments = state.segments
        self.device_links = state.device_links
        self.extensions = state.extensions
        self.outages = state.outages
        self.forfeits = state.forfeits
        self.coverage = state.coverage
        self.warned = state.warned
        self.low_balance_warned = state.low_balance_warned
        self.known_wallet = state.known_wallet
        self.actual_start_at_ms = state.actual_start_at_ms
        self.actual_end_at_ms = state.actual_end_at_ms
        self.ended_reason: EndedReason | None = state.ended_reason
        self.event_seq = state.event_seq
        self.events: list[Event] = []
        self.transactions: list[Transaction] = []
        self.packs: dict[str, PlayerTariff] = {}
        self.strides_until_ms: int | None = None
        self._run: Run | None = None

    @property
    def segment(self) -> Segment | None:
        """The segment that runs."""
        if self.segments and self.segments[-1].end_at_ms is None:
            return self.segments[-1]
        return None

    def put_segment(self, segment: Segment) -> None:
        """Replace the last segment."""
        self.segments = (*self.segments[:-1], segment)

    @property
    def tariff(self) -> Tariff:
        """The tariff of the last segment."""
        return self.run.tariff

    @property
    def run(self) -> Run:
        """The run of the open segment, for pricing."""
        segment = self.segments[-1]
        run = self._run
        if run is None or run.start_at_ms != segment.run_start_at_ms:
            run = Run(
                self.terms.tariffs[segment.tariff],
                self.terms.club.timezone,
                self.zone_id,
                self.terms.groups,
                segment.run_start_at_ms,
            )
            self._run = run
        return run

    def replace_segment(self, segment: Segment) -> None:
        """Replace a segment, the last or an earlier one."""
        before, after = self.segments[: segment.index], self.segments[segment.index + 1 :]
        self.segments = (*before, segment, *after)

    def forget_run(self) -> None:
        """The open segment runs under another tariff, zone or start from now on."""
        self._run = None

    @property
    def fee_charged(self) -> bool:
        """The start fee is paid once per session."""
        return any(segment.fee_minor for segment in self.segments)

    def situation(self, at_ms: int) -> Situation:
        """What the plan needs, as things stand in this draft."""
        return Situation(
            session_id=self.before.session_id,
            mode=self.before.mode,
            start_at_ms=at_ms if self.actual_start_at_ms is None else self.actual_start_at_ms,
            at_ms=at_ms,
            terms=self.current_terms(),
            fee_charged=self.fee_charged,
            extensions=self.extensions,
        )

    def current_terms(self) -> Terms:
        """The terms with the wallet and packs as this draft has changed them.

        The pack that is being played is left out: it is spoken for.
        """
        if self.wallet is self.terms.wallet and not self.terms.player_tariffs and not self.packs:
            return self.terms
        known = {owned.player_tariff_id: owned for owned in self.terms.player_tariffs}
        known.update(self.packs)
        if self.segment is not None and self.segment.pack is not None:
            known.pop(self.segment.pack.player_tariff_id, None)
        return replace(self.terms, wallet=self.wallet, player_tariffs=tuple(known.values()))

    def emit(self, kind: EventKind, at_ms: int, **payload: EventValue) -> None:
        """Add an event; numbers go on without gaps."""
        self.event_seq += 1
        state = self.before
        self.events.append(
            Event(kind, state.session_id, state.club_id, self.event_seq, at_ms, payload)
        )

    def post(
        self,
        kind: TransactionKind,
        at_ms: int,
        amounts: tuple[tuple[Account, int], ...],
        *,
        segment_index: int,
        step_index: int | None = None,
        part: int | None = None,
    ) -> None:
        """Add a transaction named after the session, the segment and, for a step, the step.

        ``part`` tells transactions of one kind about one step apart.
        """
        session_id = self.before.session_id
        transaction_id = f"{kind}/{session_id}/{segment_index}"
        if step_index is not None:
            transaction_id = f"{transaction_id}/{step_index}"
        if part is not None:
            transaction_id = f"{transaction_id}/{part}"
        self.transactions.append(
            Transaction(
                transaction_id,
                at_ms,
                kind,
                entries_of(*amounts),
                session_id,
                segment_index,
                step_index,
            )
        )

    def coverage_is(self, until_ms: int | None, cause: CoverageCause) -> None:
        """Set until when it is covered; the urgency follows from time."""
        old = self.coverage
        status = CoverageStatus.COVERED if old is None else old.status
        if old is None or old.until_ms != until_ms or old.cause is not cause:
            self.coverage = Coverage(until_ms, cause, status)

    def urgency_is(self, status: CoverageStatus) -> None:
        """Set how urgent it is."""
        old = self.coverage
        if old is not None and old.status is not status:
            self.coverage = Coverage(old.until_ms, old.cause, status)

    def device_linked(self, at_ms: int) -> None:
        """Close the open device link, if any, and open one to the session's PC."""
        self.device_unlinked(at_ms)
        link = SessionDevice(self.pc_id, self.zone_id, at_ms)
        self.device_links = (*self.device_links, link)

    def device_unlinked(self, at_ms: int) -> None:
        """Close the open device link."""
        if self.device_links and self.device_links[-1].end_at_ms is None:
            last = replace(self.device_links[-1], end_at_ms=at_ms)
            self.device_links = (*self.device_links[:-1], last)

    def append(self, extension: Extension) -> None:
        """Queue a tariff after what is covered."""
        self.extensions = (*self.extensions, extension)

    def finish(self, due_at_ms: int | None) -> Decision:
        """The decision, with the next instant to look again."""
        before = self.before
        state = SessionState(
            before.session_id,
            before.club_id,
            before.currency,
            self.player_id,
            None if self.player_id is not None else before.guest_label,
            self.status,
            before.mode,
            before.tariff,
            before.player_tariff_id,
            self.pc_id,
            self.zone_id,
            before.created_at_ms,
            before.planned_start_at_ms,
            before.planned_end_at_ms,
            self.actual_start_at_ms,
            self.actual_end_at_ms,
            self.ended_reason,
            self.groups,
            self.segments,
            self.device_links,
            self.extensions,
            self.coverage,
            self.warned,
            self.low_balance_warned,
            self.known_wallet,
            due_at_ms,
            self.event_seq,
            before.order_id,
            self.outages,
            before.guest_card_minor,
            self.forfeits,
            before.handed_back,
        )
        return Decision(
            state,
            tuple(self.transactions),
            tuple(self.events),
            self.wallet,
            tuple(self.packs.values()),
        )

    @property
    def is_over(self) -> bool:
        """Nothing more can happen."""
        return self.status in {SessionStatus.ENDED, SessionStatus.CANCELLED}

    def paid_by(self, wallet: Wallet) -> None:
        """The wallet after a charge or a refund."""
        if self.known_wallet is self.wallet or self.known_wallet == self.wallet:
            self.known_wallet = wallet
        self.wallet = wallet
