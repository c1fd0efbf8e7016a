"""One child process: started on a leash, its output in a file, ended politely and then not."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from actors.clock import Clock, SystemClock
from controller.embedded import leash
from controller.embedded.errors import ChildFailedError

READY_TIMEOUT_MS = 15_000
STOP_TIMEOUT_MS = 10_000
POLL_SECONDS = 0.02
LOG_BYTES_MAX = 10 * 1024 * 1024
LOG_TAIL_LINES = 15


class ChildProcess:
    """A program under this parent. All methods block; none takes long but a stubborn stop.

    ``start`` belongs to the main thread: the child dies with the thread that started it.
    ``is_ready`` is asked until it is true. ``environment`` is added to the parent's own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_file: Path,
        is_ready: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._command = tuple(command)
        self._is_ready = is_ready
        self._environment = dict(environment or {})
        self._clock = clock or SystemClock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.pid is not None

    def start(self, *, timeout_ms: int = READY_TIMEOUT_MS) -> None:
        """Start and wait until ready. Starting a running child changes nothing.

        Raises ChildFailedError with the last lines of the log.
        """
        if self.is_running:
            return
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"start {self.name} in the main thread: it dies with its thread")
        self._reap()
        process = self._process = self._launch()
        deadline_ms = self._clock.mono_ms() + timeout_ms
        while process.poll() is None and not self._is_ready():
            if self._clock.mono_ms() > deadline_ms:
                raise self._failed(f"was not ready within {timeout_ms} ms")
            time.sleep(POLL_SECONDS)
        if process.poll() is not None:
            raise self._failed(f"ended with code {process.returncode}")

    def stop(self, *, timeout_ms: int = STOP_TIMEOUT_MS) -> None:
        """Ask to end (SIGTERM), then kill it and what it started."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout_ms / 1_000)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL) with everything in its process group."""
        if self._process is None:
            return
        # The group may be gone already.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._reap()

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start()

    def log_tail(self) -> str:
        """The last lines it wrote."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])

    def _launch(self) -> subprocess.Popen[bytes]:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        command = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *self._command]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own command lines
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                # A terminal's Ctrl-C is for the parent: it ends its children in order.
                start_new_session=True,
            )

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.wait()

    def _failed(self, what: str) -> ChildFailedError:
        tail = self.log_tail()
        self.kill()
        return ChildFailedError(self.name, what, tail)
