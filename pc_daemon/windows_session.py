"""Starts the screen in the console session of Windows, with the token of whoever sits there.

Services live in a session without a desktop; this is the way from there to the player's.
"""

import sys

if sys.platform == "win32":
    import contextlib
    import msvcrt
    import os
    from collections.abc import Sequence
    from subprocess import list2cmdline
    from typing import IO, Final

    import pywintypes
    import win32api
    import win32con
    import win32event
    import win32file
    import win32process
    import win32profile
    import win32ts

    from pc_daemon.session_launch import SessionProcess
    from pc_daemon.windows_pipes import pipes_for_a_child
    from pc_daemon.windows_rights import SCREEN, attributes, screens_token

    _NO_SESSION: Final = 0xFFFFFFFF
    _ELSEWHERE: Final = 1

    def runs_as_service() -> bool:
        """Whether we are in the session without a desktop."""
        session: int = win32ts.ProcessIdToSessionId(win32api.GetCurrentProcessId())  # type: ignore[no-untyped-call]
        return session == 0

    def signed_in_session() -> int | None:
        """The session at the console; None while it shows the sign-in to nobody's session."""
        session = _console()
        if session is None:
            return None
        name = win32ts.WTSQuerySessionInformation(
            win32ts.WTS_CURRENT_SERVER_HANDLE, session, win32ts.WTSUserName
        )
        return session if name else None

    def _console() -> int | None:
        session: int = win32ts.WTSGetActiveConsoleSessionId()  # type: ignore[no-untyped-call]
        return None if session == _NO_SESSION else session

    class ConsoleProcess:
        """See ``SessionProcess``. It ends when another session comes to the console.

        With a switch of users it would cover a desktop that nobody looks at.
        """

        def __init__(
            self, handle: int, pid: int, *, pipes: tuple[IO[bytes], IO[bytes]], session: int
        ) -> None:
            self._handle = handle
            self.session = session
            self.pid = pid
            self.stdin, self.stdout = pipes

        def poll(self) -> int | None:
            """See ``SessionProcess``."""
            if win32event.WaitForSingleObject(self._handle, 0) != win32event.WAIT_TIMEOUT:
                return int(win32process.GetExitCodeProcess(self._handle))
            if _console() in (None, self.session):
                return None
            self._end()
            return _ELSEWHERE

        def kill(self) -> None:
            """See ``SessionProcess``."""
            if self.poll() is None:
                self._end()

        def abandon(self) -> None:
            """See ``SessionProcess``; a handle that closes ends nothing."""

        def _end(self) -> None:
            # It may end by itself in between, which is refused as an access denied.
            with contextlib.suppress(pywintypes.error):
                win32process.TerminateProcess(self._handle, _ELSEWHERE)

    class ConsoleSession:
        """Runs programs on the desktop of the console session."""

        def __call__(self, argv: Sequence[str]) -> SessionProcess:
            """See ``Launcher``."""
            session = _console()
            if session is None:
                raise OSError("nobody is at the console")
            try:
                return start_with(win32ts.WTSQueryUserToken(session), argv, session)
            except pywintypes.error as error:
                raise OSError(f"{error.funcname}: {error.strerror}") from error

    def start_with(token: int, argv: Sequence[str], session: int) -> SessionProcess:
        """Start ``argv`` on the desktop of the token's session. Raises ``pywintypes.error``.

        Its environment is the machine's: with variables of their own a player could have it load
        a Python or a Tcl of theirs.
        """
        child_in, our_out, our_in, child_out = pipes_for_a_child()
        startup = win32process.STARTUPINFO()
        startup.dwFlags = win32process.STARTF_USESTDHANDLES
        startup.hStdInput, startup.hStdOutput, startup.hStdError = child_in, child_out, child_out
        startup.lpDesktop = r"winsta0\default"
        environment = win32profile.CreateEnvironmentBlock(None, False)  # type: ignore[arg-type]  # noqa: FBT003
        # Where None stands, the stubs leave out that it is taken.
        process, _thread, pid, _ = win32process.CreateProcessAsUser(
            screens_token(token),
            None,  # type: ignore[arg-type]
            list2cmdline(argv),
            attributes(SCREEN),
            attributes(SCREEN),
            True,  # noqa: FBT003 - its signature
            win32con.DETACHED_PROCESS | win32con.CREATE_UNICODE_ENVIRONMENT,
            environment,
            None,  # type: ignore[arg-type]
            startup,
        )
        # Our ends of what the process holds close here, so that its end is the end of the pipes.
        for handle in (child_in, child_out):
            win32file.CloseHandle(handle)
        stdin = os.fdopen(msvcrt.open_osfhandle(_given_up(our_out), 0), "wb", buffering=0)
        stdout = os.fdopen(msvcrt.open_osfhandle(_given_up(our_in), os.O_RDONLY), "rb", buffering=0)
        return ConsoleProcess(process, pid, pipes=(stdin, stdout), session=session)

    def _given_up(handle: int) -> int:
        """The bare number of a handle that somebody else closes from now on."""
        detached: int = handle.Detach()  # type: ignore[attr-defined]
        return detached
