"""Checks of sessions: one entry per step, receipts that add up, nothing held by the ended."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from billing_core.session import SessionState, SessionStatus
from controller.verify.books import Books, Document, Row

_CHARGES = frozenset({"step", "settle", "void", "credit"})


def steps_are_complete(books: Books) -> Iterator[Row]:
    """Exactly one entry per (session, segment, step), counted from 0 without a gap."""
    posted: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for transaction in books.transactions:
        if transaction["kind"] == "step":
            key = (transaction["session_id"], transaction["segment_index"])
            posted[key].append(transaction["step_index"])
    for session_id, state in books.states.items():
        for segment in state.segments:
            found = sorted(posted.pop((session_id, segment.index), []))
            if found != list(range(segment.steps)):
                subject = f"{session_id}/{segment.index}"
                yield Row("steps", subject, f"{segment.steps} from 0", _summary(found))
    for (session_id, index), found in posted.items():
        yield Row("steps", f"{session_id}/{index}", "a segment", _summary(sorted(found)))


def _summary(found: list[int]) -> str:
    twice = sorted(step for step, count in Counter(found).items() if count > 1)
    missing = sorted(set(range(max(found, default=-1) + 1)) - set(found))
    parts = [f"{len(found)} posted"]
    parts += [f"twice: {twice}"] if twice else []
    parts += [f"missing: {missing}"] if missing else []
    return ", ".join(parts)


def segments_are_what_was_posted(books: Books) -> Iterator[Row]:
    """A segment's amount is the revenue its steps, its settlement and its credits posted."""
    earned: Counter[tuple[str, int]] = Counter()
    for transaction in books.transactions:
        if transaction["kind"] in _CHARGES:
            key = (transaction["session_id"], transaction["segment_index"])
            earned[key] += sum(
                entry["amount_minor"]
                for entry in transaction["entries"]
                if entry["account"].split(":")[1] == "revenue"
            )
    for session_id, state in books.states.items():
        for segment in state.segments:
            found = earned[(session_id, segment.index)]
            if found != segment.amount_minor:
                subject = f"{session_id}/{segment.index}"
                yield Row("segment amount", subject, str(segment.amount_minor), str(found))


def receipts_add_up(books: Books) -> Iterator[Row]:
    """Lines sum to segments, segments to the receipt, and the receipt to the session."""
    for session_id, document in books.closed.items():
        state = books.states.get(session_id)
        if state is not None:
            yield from _receipt_rows(session_id, state, document["receipt"])


def _receipt_rows(session_id: str, state: SessionState, receipt: Document) -> Iterator[Row]:
    for name, expected in (
        ("total_minor", state.amount_minor),
        ("bonus_minor", state.bonus_minor),
        ("cash_minor", state.amount_minor - state.bonus_minor),
    ):
        if receipt[name] != expected:
            yield Row(f"receipt {name}", session_id, str(expected), str(receipt[name]))
    expected_segments = [(s.index, s.amount_minor, s.bonus_minor) for s in state.segments]
    billed = [(s["index"], s["amount_minor"], s["bonus_minor"]) for s in receipt["segments"]]
    if billed != expected_segments:
        yield Row("receipt segments", session_id, str(expected_segments), str(billed))
    for segment in receipt["segments"]:
        lines_minor = sum(line["amount_minor"] for line in segment["lines"])
        if lines_minor != segment["amount_minor"]:
            subject = f"{session_id}/{segment['index']}"
            yield Row("receipt lines", subject, str(segment["amount_minor"]), str(lines_minor))


def pcs_are_held_by_the_living(books: Books) -> Iterator[Row]:
    """A PC shows a session that is open and on it; no PC has two started sessions."""
    for pc_id, pc in books.pcs.items():
        session_id = pc["target"].get("session_id")
        if session_id is None:
            continue
        state = books.states.get(session_id) if session_id in books.versions else None
        if state is None:
            yield Row("pc", pc_id, "free", f"held by {session_id}, which is not open")
        elif state.pc_id != pc_id:
            yield Row("pc", pc_id, f"free: {session_id} is on {state.pc_id}", "held by it")
    started = [books.states[s] for s in books.versions if s in books.states]
    counts = Counter(s.pc_id for s in started if s.status is SessionStatus.STARTED)
    for pc_id, count in counts.items():
        if count > 1:
            yield Row("pc", pc_id, "one started session", str(count))


def claim_is_of_a_started_session(
    name: str, holder: str, state: SessionState | None
) -> Iterator[Row]:
    """``playing/<player>`` is held by a started session of that player."""
    kind, _, player_id = name.partition("/")
    if kind != "playing":
        return
    if state is None or state.status is not SessionStatus.STARTED:
        found = "no such session" if state is None else state.status.value
        yield Row("claim", name, f"{holder} STARTED", found)
    elif state.player_id != player_id:
        yield Row("claim", name, player_id, str(state.player_id))


def wallets_are_the_holders(books: Books) -> Iterator[Row]:
    """A session moves money in its holder's wallet: the player's, or the guest's it was."""
    for transaction in books.transactions:
        state = books.states.get(transaction["session_id"])
        if state is None:
            continue
        own = {state.holder_id, f"guest-{state.session_id}"}
        for side in transaction["entries"]:
            _, kind, owner, *_ = side["account"].split(":")
            if kind == "wallet" and owner not in own:
                yield Row("wallet of a session", transaction["id"], state.holder_id, owner)


def endings_are_what_was_charged(books: Books, endings: Iterable[Document]) -> Iterator[Row]:
    """The event of an end says what the session cost then: now, or less what came back since."""
    back_minor: Counter[str] = Counter()
    for transaction in books.transactions:
        if transaction["kind"] == "credit":
            back_minor[transaction["session_id"]] += sum(
                max(0, entry["amount_minor"]) for entry in transaction["entries"]
            )
    for event in endings:
        session_id, told = event["session_id"], event["payload"]
        state = books.states.get(session_id)
        if state is None or state.status is not SessionStatus.ENDED:
            continue
        least_minor = state.amount_minor
        most_minor = least_minor + back_minor[session_id]
        if not least_minor <= told["amount_minor"] <= most_minor:
            expected = f"{least_minor}..{most_minor}"
            yield Row("event of the end", session_id, expected, str(told["amount_minor"]))
        reason = None if state.ended_reason is None else state.ended_reason.value
        if told["reason"] != reason or told["currency"] != state.currency:
            expected = f"{reason}, {state.currency}"
            found = f"{told['reason']}, {told['currency']}"
            yield Row("event of the end", session_id, expected, found)
