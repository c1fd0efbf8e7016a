"""Pipes between the agent and its screen on Windows: without a name, for one child alone."""

import sys
from typing import Final

PIPE_BYTES: Final = 65_536

if sys.platform == "win32":
    import win32api
    import win32con
    import win32pipe
    import win32security

    def pipes_for_a_child() -> tuple[int, int, int, int]:
        """(child's input, our end of it, our end of its output, its output).

        The child's ends are inherited, ours are not and the first never waits.
        """
        inherited = win32security.SECURITY_ATTRIBUTES()
        inherited.bInheritHandle = True
        child_in, our_out = win32pipe.CreatePipe(inherited, PIPE_BYTES)
        our_in, child_out = win32pipe.CreatePipe(inherited, PIPE_BYTES)
        for ours in (our_out, our_in):
            win32api.SetHandleInformation(ours, win32con.HANDLE_FLAG_INHERIT, 0)
        never_wait(our_out)
        return child_in, our_out, our_in, child_out

    def never_wait(pipe: int) -> None:
        """From now on what does not fit into a pipe is not written, instead of waited for."""
        mode = win32pipe.PIPE_READMODE_BYTE | win32pipe.PIPE_NOWAIT
        win32pipe.SetNamedPipeHandleState(pipe, mode, None, None)
