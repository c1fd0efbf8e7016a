"""Words that are not the controller's, or not for here, or not for now: a PC obeys none of them.

The bounds are those of docs/lease.md. ``play`` counts for how long the PC was really open.
"""

import pytest
from agent_bench import MINUTE_MS, START, locked
from club_voice import Club, open_club, signed_lease, signed_order

from actors.signing_keys import new_signing_keys
from pc_daemon.agent_state import (
    CommandReceived,
    Connecting,
    DocumentReceived,
    PinKeys,
    Reboot,
    Send,
)
from pc_daemon.calendar_anchor import ANSWER_WITHIN_MS
from schemas.device import (
    AgentFault,
    CommandOutcome,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandKind,
    DeviceCommandResult,
    DocumentVersion,
    PcMode,
)
from schemas.journal_events import JournalEvent, JournalEventKind

HOUR_MS = 60 * MINUTE_MS
PAID_MS = 10 * MINUTE_MS


@pytest.fixture
def club() -> Club:
    """A PC that is connected, welcomed and open for ten minutes."""
    club = open_club()
    assert club.bench.mode is PcMode.UNLOCKED
    return club


def forged_kinds(club: Club) -> list[str]:
    entries = club.bench.state.usage.entries
    return [
        entry.detail
        for entry in entries
        if isinstance(entry, JournalEvent) and entry.kind is JournalEventKind.TAMPER
    ]


# Somebody else's words --------------------------------------------------------------------------


def tampered(club: Club, **changes: object) -> DesiredDocument:
    """A document whose lease says something else than what was signed."""
    document = club.grants(2, minutes=10)
    assert document.lease is not None
    lease = document.lease.model_copy(update=changes)
    return document.model_copy(update={"lease": lease})


def signed_for(club: Club, **changes: object) -> DesiredDocument:
    """A document with a lease that really was signed, and not for here."""
    document = tampered(club, **changes)
    assert document.lease is not None
    lease = signed_lease(document.lease, club.keys.signing)
    return document.model_copy(update={"lease": lease})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"signature": None}, AgentFault.LEASE_FORGED),
        ({"signature": "A" * 86 + "=="}, AgentFault.LEASE_FORGED),
        ({"kid": None}, AgentFault.LEASE_FORGED),
        ({"kid": "somebody"}, AgentFault.LEASE_KEY_UNKNOWN),
        ({"duration_ms": 1_000 * MINUTE_MS}, AgentFault.LEASE_FORGED),
        ({"hard_stop_at_ms": START.wall_ms + 1_000 * MINUTE_MS}, AgentFault.LEASE_FORGED),
        ({"issued_at_ms": START.wall_ms + 1}, AgentFault.LEASE_FORGED),
        ({"seq": 99}, AgentFault.LEASE_FORGED),
        ({"epoch": 0}, AgentFault.LEASE_FORGED),
        ({"offline_max_ms": 1}, AgentFault.LEASE_FORGED),
        ({"chain_id": None}, AgentFault.LEASE_FORGED),
        ({"club_id": None}, AgentFault.LEASE_FORGED),
    ],
)
def test_a_forged_lease_changes_nothing_and_is_reported(
    club: Club, changes: dict[str, object], fault: AgentFault
) -> None:
    club.bench.document(tampered(club, **changes))

    assert club.bench.state.applied == (1, 1)
    assert club.bench.faults == (fault,)
    assert club.play(HOUR_MS) == PAID_MS - 1_000


@pytest.mark.parametrize(
    "changes",
    [
        {"pc_id": "pc2"},
        {"club_id": "elsewhere"},
        {"chain_id": "nebula"},
        {"session_id": "s9"},
        {"epoch": 2},
    ],
    ids="-".join,
)
def test_a_lease_of_somebody_else_changes_nothing_and_is_reported(
    club: Club, changes: dict[str, object]
) -> None:
    club.bench.document(signed_for(club, **changes))

    assert club.bench.state.applied == (1, 1)
    assert club.bench.faults == (AgentFault.LEASE_FOREIGN,)
    assert forged_kinds(club) == ["forged lease"]
    assert club.play(HOUR_MS) == PAID_MS - 1_000


def test_a_stranger_with_a_key_of_their_own_opens_nothing() -> None:
    club, stranger = Club(), new_signing_keys()
    club.connects()
    theirs = club.grants(1)
    assert theirs.lease is not None
    for lease in (
        signed_lease(theirs.lease, stranger.signing),
        signed_lease(theirs.lease, stranger.signing).model_copy(
            update={"kid": club.keys.signing.kid}
        ),
    ):
        club.bench.document(theirs.model_copy(update={"lease": lease}))
        assert club.play(HOUR_MS) == 0


def test_an_old_lease_is_not_taken_again_and_the_newer_one_ends_on_time(club: Club) -> None:
    old = club.bench.state.document
    assert old is not None
    club.play(MINUTE_MS)
    club.bench.document(club.grants(2, minutes=5))
    for rev in (1, 3):
        club.bench.take(DocumentReceived(old.model_copy(update={"rev": rev})))

    assert club.bench.faults == (AgentFault.LEASE_REPLAYED,)
    assert club.play(HOUR_MS) == 5 * MINUTE_MS - 1_000


def test_a_document_of_an_older_epoch_is_not_obeyed(club: Club) -> None:
    zombie = club.grants(9, minutes=1_000, epoch=1)
    club.bench.document(locked(1, epoch=2))
    club.bench.document(zombie)

    assert club.play(HOUR_MS) == 0


def test_a_locking_document_cannot_smuggle_a_lease_in(club: Club) -> None:
    smuggled = tampered(club, signature=None, duration_ms=1_000 * MINUTE_MS, lease_id="s2")
    locking = smuggled.model_copy(update={"mode": PcMode.LOCKED, "session_id": None})
    club.bench.document(locking)
    true = club.grants(3, minutes=10, lease_id="s2", session_id="s2", seq=2)
    club.bench.document(true)

    assert club.play(HOUR_MS) == PAID_MS - 1_000


def test_an_unsigned_welcome_moves_no_clock(club: Club) -> None:
    club.connects(welcomes=False)
    question = club.bench.state.question
    assert question is not None
    before = club.bench.state.calendar
    true = club.welcome(question.nonce)
    for changes in ({"at_ms": START.wall_ms - HOUR_MS}, {"rev": 0}, {"signature": None}):
        club.hears(true.model_copy(update=changes))
    assert club.bench.state.calendar == before
    assert AgentFault.ORDER_FORGED in club.bench.faults
    assert forged_kinds(club) == ["forged welcome"]


def test_a_welcome_kept_from_another_time_answers_nothing(club: Club) -> None:
    club.connects(welcomes=False)
    question = club.bench.state.question
    assert question is not None
    kept = club.welcome(question.nonce)
    club.wait(ANSWER_WITHIN_MS + 1)
    before = club.bench.state.calendar
    club.hears(kept)
    assert club.bench.state.calendar == before

    club.connects(welcomes=False)
    club.hears(kept)
    assert club.bench.state.calendar == before


@pytest.mark.parametrize("late_ms", [0, 5_000, ANSWER_WITHIN_MS])
def test_a_slow_welcome_makes_a_lease_older_never_younger(late_ms: int) -> None:
    club = Club()
    club.connects(welcomes=False)
    question = club.bench.state.question
    assert question is not None
    kept = club.welcome(question.nonce)
    club.wait(late_ms)
    club.hears(kept)
    assert club.bench.state.calendar.read(club.bench.now).wall_ms == club.now_ms
    club.bench.document(club.grants(1))

    assert club.play(HOUR_MS) <= PAID_MS


# Orders -----------------------------------------------------------------------------------------


def outcomes(actions: list[object]) -> list[CommandOutcome]:
    return [
        action.message.outcome
        for action in actions
        if isinstance(action, Send) and isinstance(action.message, DeviceCommandResult)
    ]


def test_a_signed_order_is_obeyed_and_a_forged_one_is_not(club: Club) -> None:
    order = DeviceCommand(
        cmd_id="c1", kind=DeviceCommandKind.REBOOT, not_after_ms=club.now_ms + 30_000
    )
    for forged in (
        order,
        signed_order(order, new_signing_keys().signing),
        signed_order(order, club.keys.signing, pc_id="pc2"),
        signed_order(order, club.keys.signing).model_copy(update={"not_after_ms": 2**52}),
    ):
        actions = club.bench.take(CommandReceived(forged))
        assert outcomes(list(actions)) == [CommandOutcome.REFUSED]
        assert not any(isinstance(action, Reboot) for action in actions)
    assert AgentFault.ORDER_FORGED in club.bench.faults

    # The forgeries have not used up the order's number.
    actions = club.orders(DeviceCommandKind.REBOOT)
    assert outcomes(list(actions)) == [CommandOutcome.DONE]
    assert any(isinstance(action, Reboot) for action in actions)

    club.bench.take(Connecting())
    assert club.bench.state.forgeries == ()


def test_an_old_order_is_not_obeyed_because_the_clock_was_set_back(club: Club) -> None:
    order = DeviceCommand(
        cmd_id="c1", kind=DeviceCommandKind.REBOOT, not_after_ms=club.now_ms + 30_000
    )
    kept = CommandReceived(signed_order(order, club.keys.signing))
    club.wait(HOUR_MS, clock_set_by_ms=-HOUR_MS)
    assert outcomes(list(club.bench.take(kept))) == [CommandOutcome.EXPIRED]

    club.reboots(30_000, keeps_memory=False)
    club.connects(welcomes=False)
    assert outcomes(list(club.bench.take(kept))) == [CommandOutcome.REFUSED]


# Keys -------------------------------------------------------------------------------------------


def test_a_rotation_reaches_a_pc_through_a_list_the_old_key_vouches_for(club: Club) -> None:
    after = club.keys.rotated()
    before, club.keys = club.keys, after
    club.bench.document(club.grants(2))
    assert club.bench.faults == (AgentFault.LEASE_KEY_UNKNOWN,)

    actions = club.sends_keys(after.public)

    assert PinKeys(after.public) in actions
    assert club.bench.faults == ()
    assert club.bench.state.applied == (1, 2)
    assert club.bench.state.trust.version == 2
    # The key before is believed until the next rotation.
    club.keys = before
    club.bench.document(club.grants(3))
    assert club.bench.state.applied == (1, 3)


def test_a_pc_that_missed_rotations_takes_one_list_after_the_other(club: Club) -> None:
    keys = club.keys
    for _ in range(3):
        keys = keys.rotated()
    club.sends_keys(keys.public)
    assert club.bench.state.trust.version == 1
    while (document := keys.after(club.bench.state.trust.version or 0)) is not None:
        club.sends_keys(document)
    assert club.bench.state.trust.document == keys.public

    # The first key is out of use by now, and opens nothing.
    club.bench.document(club.grants(2))
    assert AgentFault.LEASE_KEY_UNKNOWN in club.bench.faults


def test_nobody_else_hands_out_keys(club: Club) -> None:
    theirs = new_signing_keys().rotated().public
    older = club.keys.public
    unsigned = club.keys.rotated().public.model_copy(update={"signature": None})
    for document in (theirs, older, unsigned):
        club.sends_keys(document)
    assert club.bench.state.trust.document == older
    assert forged_kinds(club) == ["forged keys"]


def test_a_key_withdrawn_while_the_pc_was_off_opens_nothing_when_it_starts(club: Club) -> None:
    club.play(MINUTE_MS)
    keys = club.keys.rotated().rotated()
    for document in keys.documents[1:]:
        club.sends_keys(document)
    assert club.bench.mode is PcMode.UNLOCKED

    club.reboots(10_000)

    assert club.bench.mode is PcMode.LOCKED
    assert club.play(HOUR_MS) == 0


def test_what_the_controller_has_moved_on_from_locks_and_opens_nothing(club: Club) -> None:
    passed = club.grants(2)
    club.newest = (1, 4)
    club.connects()
    club.bench.document(passed)
    assert club.bench.state.applied == DocumentVersion(1, 1)

    club.bench.document(locked(3))
    assert club.bench.mode is PcMode.LOCKED
    club.bench.document(passed)
    assert club.bench.mode is PcMode.LOCKED
