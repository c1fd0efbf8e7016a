"""Starts the screen in the console session of Windows, with the token of whoever sits there.

Services live in a session without a desktop; this is the way from there to the player's.
"""

import sys

if sys.platform == "win32":
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
    import win32pipe
    import win32process
    import win32profile
    import win32security
    import win32ts

    from pc_daemon.session_launch import SessionProcess

    _NO_SESSION: Final = 0xFFFFFFFF
    _PIPE_BYTES: Final = 65_536

    def runs_as_service() -> bool:
        """Whether we are in the session without a desktop."""
        session: int = win32ts.ProcessIdToSessionId(win32api.GetCurrentProcessId())  # type: ignore[no-untyped-call]
        return session == 0

    class ConsoleProcess:
        """See ``SessionProcess``."""

        def __init__(self, handle: int, pid: int, pipes: tuple[IO[bytes], IO[bytes]]) -> None:
            self._handle = handle
            self.pid = pid
            self.stdin, self.stdout = pipes

        def poll(self) -> int | None:
            """See ``SessionProcess``."""
            if win32event.WaitForSingleObject(self._handle, 0) == win32event.WAIT_TIMEOUT:
                return None
            return int(win32process.GetExitCodeProcess(self._handle))

        def kill(self) -> None:
            """See ``SessionProcess``."""
            if self.poll() is None:
                win32process.TerminateProcess(self._handle, 1)

        def abandon(self) -> None:
            """See ``SessionProcess``; a handle that closes ends nothing."""

    class ConsoleSession:
        """Runs programs on the desktop of the console session."""

        def __call__(self, argv: Sequence[str]) -> SessionProcess:
            """See ``Launcher``."""
            session = win32ts.WTSGetActiveConsoleSessionId()  # type: ignore[no-untyped-call]
            if session == _NO_SESSION:
                raise OSError("nobody is at the console")
            try:
                return _start(argv, win32ts.WTSQueryUserToken(session))
            except pywintypes.error as error:
                raise OSError(f"{error.funcname}: {error.strerror}") from error

    def _start(argv: Sequence[str], token: int) -> SessionProcess:
        inherited = win32security.SECURITY_ATTRIBUTES()
        inherited.bInheritHandle = True
        child_in, our_out = win32pipe.CreatePipe(inherited, _PIPE_BYTES)
        our_in, child_out = win32pipe.CreatePipe(inherited, _PIPE_BYTES)
        for ours in (our_out, our_in):
            win32api.SetHandleInformation(ours, win32con.HANDLE_FLAG_INHERIT, 0)
        startup = win32process.STARTUPINFO()
        startup.dwFlags = win32process.STARTF_USESTDHANDLES
        startup.hStdInput, startup.hStdOutput, startup.hStdError = child_in, child_out, child_out
        startup.lpDesktop = r"winsta0\default"
        environment = win32profile.CreateEnvironmentBlock(token, False)  # noqa: FBT003 - its signature
        flags = win32con.CREATE_NO_WINDOW | win32con.CREATE_UNICODE_ENVIRONMENT
        # Where None stands, the stubs leave out that it is taken.
        process, thread, pid, _ = win32process.CreateProcessAsUser(
            token,
            None,  # type: ignore[arg-type]
            list2cmdline(argv),
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            True,  # noqa: FBT003 - its signature
            flags,
            environment,
            None,  # type: ignore[arg-type]
            startup,
        )
        for handle in (child_in, child_out, thread):
            win32file.CloseHandle(handle)
        to_screen = msvcrt.open_osfhandle(_given_up(our_out), 0)
        from_screen = msvcrt.open_osfhandle(_given_up(our_in), os.O_RDONLY)
        stdin = os.fdopen(to_screen, "wb", buffering=0)
        stdout = os.fdopen(from_screen, "rb", buffering=0)
        return ConsoleProcess(process, pid, (stdin, stdout))

    def _given_up(handle: int) -> int:
        """The bare number of a handle that somebody else closes from now on."""
        detached: int = handle.Detach()  # type: ignore[attr-defined]
        return detached
