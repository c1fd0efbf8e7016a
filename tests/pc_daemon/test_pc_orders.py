"""One-shot orders at the PC: a technician's visit, a neighbour woken, a PC that shows itself."""

import socket

import pytest
from agent_bench import MINUTE_MS, Bench, lease, locked, sent, shown, unlocked

from pc_daemon.agent_state import (
    Action,
    CarriedOut,
    CodeTyped,
    CommandReceived,
    Identify,
    Notify,
    Persist,
    PowerOff,
    Reboot,
    Renew,
    Tick,
    Wake,
)
from pc_daemon.machine import wake
from pc_daemon.maintenance import MAX_WRONG_CODES
from schemas.device import (
    AgentFault,
    CommandOutcome,
    DeviceCommand,
    DeviceCommandKind,
    DeviceCommandResult,
    PcMode,
)
from schemas.journal_events import JournalEvent, JournalEventKind
from schemas.magic_packet import magic_packet
from schemas.technician import hash_code

CODE = "TECH4711"
HASH = hash_code(CODE, bytes(16))
MAC = "02:00:00:aa:bb:07"


def order(kind: DeviceCommandKind, cmd_id: str = "c1", **fields: object) -> CommandReceived:
    given = {"cmd_id": cmd_id, "kind": kind, "not_after_ms": 2**52, **fields}
    return CommandReceived(DeviceCommand.model_validate(given))


def outcome(actions: list[Action]) -> CommandOutcome:
    (result,) = sent(actions, DeviceCommandResult)
    assert isinstance(result, DeviceCommandResult)
    return result.outcome


def events(bench: Bench, kind: JournalEventKind) -> list[JournalEvent]:
    entries = [one for one in bench.state.usage.entries if isinstance(one, JournalEvent)]
    return [one for one in entries if one.kind is kind]


@pytest.fixture
def visited() -> Bench:
    """A free PC with a window of 30 minutes for a technician."""
    bench = Bench()
    bench.online()
    bench.document(locked(1))
    window = order(DeviceCommandKind.MAINTENANCE, duration_ms=30 * MINUTE_MS, code_hash=HASH)
    assert outcome(bench.take(window)) is CommandOutcome.DONE
    return bench


def test_the_code_opens_the_screen_for_the_rest_of_the_window(visited: Bench) -> None:
    visited.wait(10 * MINUTE_MS)
    (opened,) = shown(visited.take(CodeTyped(CODE)))
    assert (opened.screen.mode, opened.screen.maintenance) == (PcMode.UNLOCKED, True)
    assert opened.lock_after_ms == 20 * MINUTE_MS
    assert visited.state.reported is not None
    assert AgentFault.MAINTENANCE in visited.state.reported.errors
    assert visited.state.mode is PcMode.LOCKED

    closed = shown(visited.wait(20 * MINUTE_MS))[-1]
    assert (closed.screen.mode, closed.screen.maintenance) == (PcMode.LOCKED, False)
    (event,) = events(visited, JournalEventKind.MAINTENANCE)
    assert event.ended_boot_ms - event.started_boot_ms == 20 * MINUTE_MS


def test_without_a_window_no_code_opens_anything() -> None:
    bench = Bench()
    bench.document(locked(1))
    assert shown(bench.take(CodeTyped(CODE))) == []


def test_a_window_without_the_code_opens_nothing(visited: Bench) -> None:
    assert shown(visited.take(CodeTyped("WRONG1"))) == []
    assert all(one.screen.mode is PcMode.LOCKED for one in shown(visited.wait(31 * MINUTE_MS)))
    assert shown(visited.take(CodeTyped(CODE))) == []


def test_guessing_closes_the_window_and_is_told(visited: Bench) -> None:
    for guess in range(MAX_WRONG_CODES):
        visited.take(CodeTyped(f"GUESS{guess}"))
    assert shown(visited.take(CodeTyped(CODE))) == []
    (event,) = events(visited, JournalEventKind.TAMPER)
    assert event.detail == "wrong technician codes"


def test_the_controller_can_end_the_visit(visited: Bench) -> None:
    visited.take(CodeTyped(CODE))
    over = visited.take(order(DeviceCommandKind.MAINTENANCE, "c2", duration_ms=0))
    assert shown(over)[-1].screen.mode is PcMode.LOCKED


def test_a_players_session_ends_the_visit(visited: Bench) -> None:
    visited.take(CodeTyped(CODE))
    playing = shown(visited.document(unlocked(2, lease())))[-1]
    assert (playing.screen.mode, playing.screen.maintenance) == (PcMode.UNLOCKED, False)
    after = shown(visited.document(locked(3)))[-1]
    assert after.screen.mode is PcMode.LOCKED


def test_nothing_of_a_visit_survives_the_agent(visited: Bench) -> None:
    visited.take(CodeTyped(CODE))
    again = visited.rebooted(off_ms=0)
    assert all(one.screen.mode is PcMode.LOCKED for one in shown(again.take(Tick())))
    assert shown(again.take(CodeTyped(CODE))) == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (DeviceCommandKind.MAINTENANCE, {"duration_ms": MINUTE_MS}),
        (DeviceCommandKind.MAINTENANCE, {"code_hash": HASH}),
        (DeviceCommandKind.WAKE, {}),
        (DeviceCommandKind.IDENTIFY, {}),
    ],
)
def test_an_order_that_lacks_something_is_refused(
    kind: DeviceCommandKind, fields: dict[str, object]
) -> None:
    assert outcome(Bench().take(order(kind, **fields))) is CommandOutcome.REFUSED


def test_orders_become_what_they_ask_for() -> None:
    bench = Bench()
    shown_for = bench.take(order(DeviceCommandKind.IDENTIFY, "c1", duration_ms=10_000))
    assert Identify("c1", 10_000) in shown_for
    assert Wake("c2", MAC) in bench.take(order(DeviceCommandKind.WAKE, "c2", mac=MAC))
    off = bench.take(order(DeviceCommandKind.SHUTDOWN, "c3"))
    assert off[-1] == PowerOff("c3")
    assert outcome(off) is CommandOutcome.DONE


TRIED = [
    (DeviceCommandKind.MESSAGE, {"text": "hello"}),
    (DeviceCommandKind.IDENTIFY, {"duration_ms": 10_000}),
    (DeviceCommandKind.WAKE, {"mac": MAC}),
]


@pytest.mark.parametrize(("kind", "fields"), TRIED)
@pytest.mark.parametrize(
    ("fault", "expected"), [(None, CommandOutcome.DONE), ("no display", CommandOutcome.FAILED)]
)
def test_what_can_fail_is_answered_once_it_was_tried(
    kind: DeviceCommandKind,
    fields: dict[str, object],
    fault: str | None,
    expected: CommandOutcome,
) -> None:
    bench = Bench()
    asked = bench.take(order(kind, **fields))
    assert [type(one) for one in asked[:-1]] == [Persist]
    assert isinstance(asked[-1], Notify | Identify | Wake)

    assert outcome(bench.take(CarriedOut("c1", fault))) is expected
    for again in (bench, bench.rebooted(off_ms=0)):
        repeated = again.take(order(kind, **fields))
        assert outcome(repeated) is expected
        assert not any(isinstance(one, Notify | Identify | Wake) for one in repeated)


@pytest.mark.parametrize(("kind", "fields"), TRIED)
def test_an_agent_that_ended_at_an_order_neither_repeats_it_nor_says_it_was_done(
    kind: DeviceCommandKind, fields: dict[str, object]
) -> None:
    bench = Bench()
    bench.take(order(kind, **fields))
    repeated = bench.rebooted(off_ms=0).take(order(kind, **fields))
    assert outcome(repeated) is CommandOutcome.FAILED
    assert not any(isinstance(one, Notify | Identify | Wake) for one in repeated)


@pytest.mark.parametrize("kind", [DeviceCommandKind.REBOOT, DeviceCommandKind.SHUTDOWN])
def test_a_pc_that_was_not_let_go_down_takes_back_what_it_said(kind: DeviceCommandKind) -> None:
    bench = Bench()
    assert outcome(bench.take(order(kind))) is CommandOutcome.DONE
    assert outcome(bench.take(CarriedOut("c1", "not allowed"))) is CommandOutcome.FAILED
    repeated = bench.rebooted(off_ms=0).take(order(kind))
    assert outcome(repeated) is CommandOutcome.FAILED
    assert not any(isinstance(one, Reboot | PowerOff) for one in repeated)


def test_a_long_reason_is_cut_to_what_the_wire_takes() -> None:
    bench = Bench()
    bench.take(order(DeviceCommandKind.MESSAGE))
    assert outcome(bench.take(CarriedOut("c1", "x" * 1_000))) is CommandOutcome.FAILED


def test_the_packet_that_wakes_a_pc_is_what_its_card_waits_for() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.bind(("127.0.0.1", 0))
        card.settimeout(10)
        wake(MAC, card.getsockname())
        heard = card.recv(200)
    assert heard == magic_packet(MAC) == b"\xff" * 6 + bytes.fromhex("020000aabb07") * 16


def test_an_order_to_draw_a_new_secret_is_carried_out_once() -> None:
    bench = Bench()
    assert Renew() in bench.take(order(DeviceCommandKind.RENEW))
    assert Renew() not in bench.take(order(DeviceCommandKind.RENEW))
    assert Renew() in bench.take(order(DeviceCommandKind.RENEW, "c2"))
