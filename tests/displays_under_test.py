"""A real X display without a monitor, and pictures of what is on it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image, ImageGrab

XVFB = "Xvfb"
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Display:
    """An X display, e.g. ``:99``."""

    name: str

    def picture(self) -> Image.Image:
        """What is on it now."""
        return ImageGrab.grab(xdisplay=self.name).convert("RGB")

    def press(self, *keys: str) -> None:
        """Press keys, one after another, by their X names."""
        environment = {**os.environ, "DISPLAY": self.name}
        subprocess.run(["xdotool", "key", *keys], env=environment, check=True)

    def shows(self, condition: Callable[[Image.Image], bool]) -> Image.Image:
        """The first picture that fulfils the condition."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            picture = self.picture()
            if condition(picture):
                return picture
            assert time.monotonic() < deadline, "the display never looked like that"
            time.sleep(0.1)


@contextmanager
def a_display(width: int, height: int) -> Iterator[Display]:
    """A display of this size on a number of its own choosing."""
    read, write = os.pipe()
    server = subprocess.Popen(
        [
            XVFB,
            "-displayfd",
            str(write),
            "-screen",
            "0",
            f"{width}x{height}x24",
            "-nolisten",
            "tcp",
            # Else it starts anew whenever its last client ends, and refuses whoever looks then.
            "-noreset",
        ],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        yield Display(f":{number}")
    finally:
        server.terminate()
        server.wait()


_PROGRAM = (
    "import tkinter as tk; r = tk.Tk(); r.update(); print(r.winfo_id(), flush=True); r.mainloop()"
)


@contextmanager
def a_program_in_front(display: Display) -> Iterator[str]:
    """A program with a window, marked as a window manager marks what is in front; its name."""
    environment = {"DISPLAY": display.name, "PATH": "/usr/bin:/bin"}
    child = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        window = child.stdout.readline().strip()
        _mark(environment, ["-id", window], "_NET_WM_PID", str(child.pid))
        _mark(environment, ["-root"], "_NET_ACTIVE_WINDOW", window)
        yield psutil.Process(child.pid).name()
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def _mark(environment: dict[str, str], target: list[str], name: str, value: str) -> None:
    argv = ["xprop", *target, "-f", name, "32c", "-set", name, value]
    deadline = time.monotonic() + PATIENCE_S
    while subprocess.run(argv, check=False, env=environment, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def part_of(picture: Image.Image, colour: str) -> float:
    """How much of a picture is exactly this ``#rrggbb``."""
    wanted = tuple(bytes.fromhex(colour[1:]))
    # Room for every colour there is takes longer to clear than a screen takes to start.
    found = picture.getcolors(maxcolors=2**16) or []
    same = sum(count for count, pixel in found if pixel == wanted)
    return same / (picture.width * picture.height)


def keep(picture: Image.Image, name: str) -> None:
    """Leave a picture where a reader can find it: ``build/screens/``."""
    folder = Path(__file__).parent.parent / "build" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"{name}.png", optimize=True)
