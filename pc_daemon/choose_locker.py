"""The locker an operator chose, ready to be told what to show."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from pc_daemon.last_resort import (
    Resort,
    ends_session,
    has_logind,
    nothing_else,
    runs_command,
)
from pc_daemon.lockers import LockerKind, NullLocker, ScreenLocker
from pc_daemon.logind_lock import LoginctlLocker
from pc_daemon.session_launch import Launcher, UserSession, interpreter
from pc_daemon.session_screen import SessionScreen
from pc_daemon.settings import AgentSettings, LastResortKind
from pc_daemon.windows_lock import lock_console

_logger = logging.getLogger("clubctl.pc")

_NOTE: Final = "screen.json"


def choose_locker(settings: AgentSettings, real_s: Callable[[], float]) -> ScreenLocker:
    """The locker of ``settings``. Raises ``ValueError`` naming the setting that is missing."""
    match settings.locker:
        case LockerKind.NULL:
            return NullLocker()
        case LockerKind.LOGINCTL:
            return LoginctlLocker(*settings.locker_command[:1])
        case LockerKind.WIN32:
            return _screen(settings, real_s, last_resort=lock_console)
        case LockerKind.TK | LockerKind.EXEC:
            return _screen(settings, real_s, last_resort=_last_resort(settings, real_s))


def _screen(
    settings: AgentSettings,
    real_s: Callable[[], float],
    *,
    last_resort: Resort,
) -> SessionScreen:
    return SessionScreen(
        command_of(settings),
        _launcher(settings),
        real_s=real_s,
        note=settings.state_dir / _NOTE,
        speaks=settings.locker is not LockerKind.EXEC,
        last_resort=last_resort,
    )


def _last_resort(settings: AgentSettings, real_s: Callable[[], float]) -> Resort:
    match settings.resort:
        case LastResortKind.NONE:
            if settings.env == "production":
                _logger.warning("no last resort: a PC whose screen is defeated stays open")
            return nothing_else
        case LastResortKind.COMMAND:
            return runs_command(settings.last_resort_command, real_s)
        case LastResortKind.END_SESSION:
            if not has_logind():
                _logger.warning(
                    "no logind here: a PC whose screen is defeated stays open;"
                    " set CLUBCTL_PC_LAST_RESORT=command"
                )
            return ends_session(real_s)


def command_of(settings: AgentSettings) -> tuple[str, ...]:
    """What is run as the screen."""
    if settings.locker is LockerKind.EXEC:
        return settings.locker_command
    # Isolated: nothing that a player may set or write says what Python loads.
    own = [interpreter(), "-I", "-m", "pc_daemon.screen", "--language", settings.language.value]
    if settings.monitors:
        own += ["--monitors", settings.monitors]
    if settings.tell_foreground:
        own.append("--foreground")
    if settings.locker is LockerKind.WIN32:
        own.append("--keyboard-hook")
    return tuple(own)


def _launcher(settings: AgentSettings) -> Launcher:
    if sys.platform == "win32":
        from pc_daemon.windows_session import ConsoleSession, runs_as_service

        if runs_as_service():
            return ConsoleSession()
    environment = {"DISPLAY": settings.display} if settings.display else {}
    if settings.xauthority is not None:
        environment["XAUTHORITY"] = os.fspath(settings.xauthority)
    return UserSession(settings.session_user, environment)
