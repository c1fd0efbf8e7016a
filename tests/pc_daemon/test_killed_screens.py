"""A player who ends the screen again and again, as the service hears it from a real process."""

from pathlib import Path

import psutil
from brokers_under_test import eventually
from screens_under_test import a_rig
from service_bench import Club

from pc_daemon import session_screen
from schemas.device import PcMode, Reported, UsageBatch
from schemas.journal_events import JournalEventKind


def journal(club: Club) -> set[tuple[JournalEventKind, str]]:
    told = (one for one in club.messages() if isinstance(one, UsageBatch))
    return {(event.kind, event.detail) for report in told for event in report.events}


async def test_the_third_kill_within_five_minutes_is_told_as_tampering(tmp_path: Path) -> None:
    with a_rig(tmp_path) as rig:
        club = Club(screen=rig.locker)
        club.service.start()
        await eventually(lambda: club.last(Reported))
        for _ in range(session_screen.TAMPER_DEATHS):
            # One that died before it spoke was not ended, it never stood.
            told = len(rig.told())
            killed = rig.pid
            psutil.Process(killed).kill()
            await eventually(lambda killed=killed: rig.pid != killed, timeout_s=60)
            await eventually(lambda told=told: len(rig.told()) > told, timeout_s=60)

        tampered = (JournalEventKind.TAMPER, "screen ended or hidden again and again")
        await eventually(lambda: tampered in journal(club), timeout_s=60)
        assert JournalEventKind.SCREEN_RESTARTED in {kind for kind, _ in journal(club)}
        assert club.service.state.mode is PcMode.LOCKED
        await club.service.kill()
