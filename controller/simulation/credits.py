"""What came back for time a PC did not serve, counted as it is written down.

Where it goes is checked at every write: back to where it came from while that is possible, to
the wallet once the bought time or the bill is closed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from controller.simulation.tariffs import CURRENCY

MINUTE_MS: Final = 60_000
CREDITED: Final = "CREDITED"
OVER: Final = frozenset({"ENDED", "CANCELLED"})

Document = Mapping[str, Any]


@dataclass(slots=True)
class Credits:
    """``to_wallet`` is by session what of its open bill, by bought tariff what of its price came
    back too late to go where it came from; ``by_outage`` is all that came back, by (session,
    number)."""

    to_wallet: Counter[str] = field(default_factory=Counter)
    by_outage: Counter[tuple[str, int]] = field(default_factory=Counter)

    def posted(self, transaction: Document, session: Document) -> Iterator[str]:
        """Money came back by a write that leaves the session like this; what is wrong with that."""
        segment = session["segments"][transaction["segment_index"]]
        back_minor, wallet_minor = 0, 0
        wanted = _where_to(session, segment)
        for entry in transaction["entries"]:
            account, amount_minor = entry["account"], entry["amount_minor"]
            if ":revenue:" in account:
                back_minor -= amount_minor
            elif amount_minor and not account.startswith(wanted):
                yield f"{transaction['id']} gave back to {account}, must go to {wanted}"
            elif ":wallet:" in account:
                wallet_minor += amount_minor
        number = int(transaction["id"].rpartition("/")[2])
        self.by_outage[session["session_id"], number] += back_minor
        if segment["pack"] is not None:
            self.to_wallet[segment["pack"]["player_tariff_id"]] += wallet_minor
        elif session["mode"] == "OPEN_ENDED":
            self.to_wallet[session["session_id"]] += wallet_minor

    def violations(self, sessions: Mapping[str, Document]) -> Iterator[str]:
        """Each outage says what it gave back, and only what was given back has given."""
        for name, session in sessions.items():
            for outage in session["outages"]:
                found_minor = self.by_outage[name, outage["number"]]
                told_minor = outage["amount_minor"] if outage["status"] == CREDITED else 0
                if told_minor != found_minor:
                    where = f"{name} outage {outage['number']} {outage['status']}"
                    yield f"{where} gave back {found_minor}, says {told_minor}"


def _where_to(session: Document, segment: Document) -> tuple[str, ...]:
    """How the accounts begin that it may go to: the bill first, as far as that is due."""
    if segment["pack"] is not None and segment["end_at_ms"] is None:
        return (f"{CURRENCY}:deferred:{segment['pack']['club_id']}",)
    wallet = f"{CURRENCY}:wallet:{session['player_id'] or 'guest-' + session['session_id']}"
    if session["mode"] != "OPEN_ENDED":
        return (wallet,)
    bill = f"{CURRENCY}:receivable:{session['session_id']}"
    return (bill, wallet) if session["status"] in OVER else (bill,)


def credited_spans(session: Document, segment: Document) -> Sequence[tuple[int, int]]:
    """The parts of a segment's paid time that came back: minutes of its run, counted from where
    that began, that themselves began within an outage. What is left of such a minute after a move
    to another zone was served there."""
    origin_ms, paid_ms = segment["run_start_at_ms"], segment["paid_until_ms"]
    spans = []
    for outage in session["outages"]:
        if outage["status"] != CREDITED:
            continue
        from_ms, until_ms = outage["from_ms"], min(outage["until_ms"], paid_ms)
        first_ms = from_ms + (origin_ms - from_ms) % MINUTE_MS
        for begun_ms in range(first_ms, until_ms, MINUTE_MS):
            if segment["cause"] == "zone" and begun_ms < segment["start_at_ms"]:
                continue
            start_ms = max(begun_ms, segment["start_at_ms"])
            end_ms = min(begun_ms + MINUTE_MS, paid_ms)
            if start_ms < end_ms:
                spans.append((start_ms, end_ms))
    return spans


def credited_ms(session: Document, segment: Document) -> int:
    """How much of a segment's time came back."""
    return sum(end_ms - start_ms for start_ms, end_ms in credited_spans(session, segment))
