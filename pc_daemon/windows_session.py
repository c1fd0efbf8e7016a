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
        return win32ts.ProcessIdToSessionId(win32api.GetCurrentProcessId()) == 0

    class ConsoleProcess:
        """See ``SessionProcess``."""

        def __init__(self, handle: object, pid: int, pipes: tuple[IO[bytes], IO[bytes]]) -> None:
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
            session = win32ts.WTSGetActiveConsoleSessionId()
            if session == _NO_SESSION:
                raise OSError("nobody is at the console")
            try:
                return _start(argv, win32ts.WTSQueryUserToken(session))
            except pywintypes.error as error:
                raise OSError(f"{error.funcname}: {error.strerror}") from error

    def _start(argv: Sequence[str], token: object) -> SessionProcess:
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
        process, thread, pid, _ = win32process.CreateProcessAsUser(
            token,
            None,
            list2cmdline(argv),
            None,
            None,
            True,  # noqa: FBT003 - its signature
            flags,
            environment,
            None,
            startup,
        )
        for handle in (child_in, child_out, thread):
            win32file.CloseHandle(handle)
        stdin = os.fdopen(msvcrt.open_osfhandle(our_out.Detach(), 0), "wb", buffering=0)
        stdout = os.fdopen(msvcrt.open_osfhandle(our_in.Detach(), os.O_RDONLY), "rb", buffering=0)
        return ConsoleProcess(process, pid, (stdin, stdout))
