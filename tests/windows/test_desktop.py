"""What is seen, held and pressed on a desktop of Windows."""

import ctypes
import subprocess
import sys
import time
import tkinter as tk
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pc_daemon.clock import SystemClock
from pc_daemon.cover_sight import Placed, Seen
from pc_daemon.foreground import foreground_program
from pc_daemon.keyboard_hook import KeyboardHook
from pc_daemon.monitors import Monitor, monitors, see_every_pixel
from pc_daemon.windows_foreground import come_to_the_front, is_ours_in_front
from pc_daemon.windows_lock import is_locked
from pc_daemon.windows_sight import WindowsSight

AREA = Monitor(0, 0, 640, 480)
STRANGER = """
import sys, tkinter as tk
root = tk.Tk()
root.overrideredirect(True)
root.attributes("-topmost", True)
root.attributes("-disabled", "disabled" in sys.argv)
root.geometry(sys.argv[1])
root.update()
root.lift()
root.focus_force()
root.update()
print("up", flush=True)
root.mainloop()
"""


class Cover:
    """A topmost window of our own, as the screen's."""

    def __init__(self) -> None:
        see_every_pixel()
        self.root = tk.Tk()
        self.root.overrideredirect(boolean=True)
        self.root.attributes("-topmost", True)
        self.root.geometry(f"{AREA.width}x{AREA.height}+{AREA.left}+{AREA.top}")
        self.root.update()
        self.placed = Placed(AREA, self.root.winfo_id())

    def seen(self) -> Seen:
        """What is seen of it just now."""
        return WindowsSight().look([self.placed])

    def soon(self, condition: Callable[[], object]) -> None:
        """While the window goes on living."""
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            self.root.update()
            time.sleep(0.05)


@pytest.fixture
def cover() -> Iterator[Cover]:
    made = Cover()
    made.soon(lambda: made.seen().is_clean)
    yield made
    made.root.destroy()


def stranger(*words: str) -> subprocess.Popen[bytes]:
    """Another program's window, which is up when this returns."""
    argv = [sys.executable, "-c", STRANGER, *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"up"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("words", [("640x480+0+0",), ("640x480+0+0", "disabled")])
def test_another_programs_window_over_the_cover_is_seen(
    cover: Cover, words: tuple[str, ...]
) -> None:
    process = stranger(*words)
    try:
        seen = cover.seen()
        assert seen.above
        assert not seen.missing
        cover.root.lift()
        cover.soon(lambda: cover.seen().is_clean)
    finally:
        end(process)


def test_a_small_window_over_the_cover_is_no_alarm(cover: Cover) -> None:
    process = stranger("640x40+0+440")
    try:
        assert cover.seen().is_clean
    finally:
        end(process)


def test_a_cover_that_another_program_hides_or_moves_is_missing(cover: Cover) -> None:
    user32 = ctypes.windll.user32
    root = user32.GetAncestor(cover.placed.window, 2)
    user32.ShowWindow(root, 0)
    assert cover.seen().missing
    user32.ShowWindow(root, 4)
    assert not cover.seen().missing
    user32.SetWindowPos(root, 0, 5000, 5000, 0, 0, 0x0001 | 0x0004 | 0x0010)
    assert cover.seen().missing


def test_the_keyboard_is_taken_back_from_another_program(cover: Cover) -> None:
    process = stranger("200x200+700+0")
    try:
        cover.soon(lambda: not is_ours_in_front())
        cover.soon(lambda: come_to_the_front(cover.placed.window))
        assert is_ours_in_front()
    finally:
        end(process)


def test_the_program_in_front_is_named(cover: Cover) -> None:
    assert come_to_the_front(cover.placed.window)
    assert foreground_program() == Path(sys.executable).name


def test_the_hook_is_taken_again_and_again() -> None:
    for _ in range(3):
        KeyboardHook().start()


def test_windows_tells_its_monitors_in_pixels() -> None:
    user32 = ctypes.windll.user32
    see_every_pixel()
    found = monitors()
    assert found
    assert any((one.left, one.top) == (0, 0) for one in found)
    first = next(one for one in found if (one.left, one.top) == (0, 0))
    assert (first.width, first.height) == (user32.GetSystemMetrics(0), user32.GetSystemMetrics(1))


def test_a_desktop_that_runs_tests_is_not_locked() -> None:
    assert not is_locked()


def test_the_boot_clock_is_the_tick_count() -> None:
    tick_ms = ctypes.windll.kernel32.GetTickCount64
    tick_ms.restype = ctypes.c_uint64
    before = tick_ms()
    assert before <= SystemClock().now().boot_ms <= tick_ms()
