"""``clubctl bench screen``: a killed screen until it covers again, against a bare Tk window.

A real agent with its ``tk`` screen on an X display without a monitor. The screen is killed as a
player would, and pictures of the display say when it covers again. Bare: an interpreter that
opens one full-screen window and does nothing else, started by the same program on the same
display. Needs Xvfb and Pillow (the ``dev`` extra).
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from PIL import ImageGrab
from PIL.Image import Resampling

from controller.bench.command import GOAL_MET
from controller.bench.stopwatch import stopwatch
from pc_daemon.screen_windows import NIGHT

KILLS: Final = 10
GOAL_S: Final = 1.0
"""A killed screen covers again in less, half of the times."""
SIZE: Final = (1_280, 720)
LOOK: Final = (64, 36)
"""So many pixels of a picture are looked at."""
COVERED_SHARE: Final = 0.8
WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.01
PAUSE_S: Final = 1.5
"""Between two kills; a screen that ends as soon as it starts is not started again at once."""
_BARE: Final = """
import tkinter
root = tkinter.Tk()
root.geometry("{}x{}+0+0")
root.configure(background="{}")
root.overrideredirect(True)
root.mainloop()
"""


class NeverCoveredError(Exception):
    """The display did not look as it must in time."""


def run(*, kills: int = KILLS) -> dict[str, Any]:
    """Seconds from the kill to the cover, and how many bare windows open meanwhile."""
    with tempfile.TemporaryDirectory(prefix="clubctl-bench-") as folder, _display() as display:
        bare = [_bare_s(display) for _ in range(kills)]
        again = _killed_s(display, Path(folder), kills)
    median_s = statistics.median(again)
    return {
        "kills": kills,
        "covers_again_median_s": median_s,
        "covers_again_worst_s": max(again),
        "bare_window_median_s": statistics.median(bare),
        "ratio": median_s / statistics.median(bare),
        "goal_s": GOAL_S,
        GOAL_MET: median_s < GOAL_S,
    }


@contextmanager
def _display() -> Iterator[str]:
    read, write = os.pipe()
    width, height = SIZE
    # Without -noreset the server would start over whenever its last client is killed.
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24"]
    command += ["-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:  # noqa: S603
        os.close(write)
        try:
            with os.fdopen(read) as told:
                yield f":{told.readline().strip()}"
        finally:
            server.terminate()


def _bare_s(display: str) -> float:
    program = _BARE.format(*SIZE, NIGHT)
    with stopwatch() as lap:
        window = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", program], env={**os.environ, "DISPLAY": display}
        )
        _until(lambda: _is_covered(display))
    window.kill()
    window.wait()
    _until(lambda: not _is_covered(display))
    return lap.seconds


def _killed_s(display: str, folder: Path, kills: int) -> list[float]:
    environment = {
        **os.environ,
        "CLUBCTL_PC_CLUB_ID": "bench",
        "CLUBCTL_PC_PC_ID": "pc-1",
        # Nobody answers there: a PC that knows no document is locked.
        "CLUBCTL_PC_MQTT_URL": "mqtt://127.0.0.1:9",
        "CLUBCTL_PC_STATE_DIR": str(folder),
        "CLUBCTL_PC_LOCKER": "tk",
        "CLUBCTL_PC_DISPLAY": display,
    }
    note = folder / "screen.json"
    command = [sys.executable, "-m", "controller.cli", "pc"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as agent:  # noqa: S603
        try:
            _until(lambda: note.exists() and _is_covered(display))
            return [_again_s(display, note) for _ in range(kills)]
        finally:
            agent.kill()
            if note.exists():
                os.kill(_pid(note), signal.SIGKILL)


def _again_s(display: str, note: Path) -> float:
    time.sleep(PAUSE_S)
    killed = _pid(note)
    with stopwatch() as lap:
        os.kill(killed, signal.SIGKILL)
        _until(lambda: _pid(note) != killed and _is_covered(display))
    return lap.seconds


def _pid(note: Path) -> int:
    return int(json.loads(note.read_text())["pid"])


def _is_covered(display: str) -> bool:
    # Counting every pixel takes about as long as a screen takes to start, and on the same cores.
    picture = ImageGrab.grab(xdisplay=display).convert("RGB").resize(LOOK, Resampling.NEAREST)
    night = tuple(bytes.fromhex(NIGHT[1:]))
    found = picture.getcolors(maxcolors=LOOK[0] * LOOK[1]) or []
    covered = sum(count for count, pixel in found if pixel == night)
    return covered > COVERED_SHARE * LOOK[0] * LOOK[1]


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.perf_counter() + WITHIN_S
    while not condition():
        if time.perf_counter() > deadline_s:
            raise NeverCoveredError
        time.sleep(LOOK_EVERY_S)
