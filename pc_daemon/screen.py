"""The screen process: a topmost window over every monitor, ordered about on standard input.

Run by the agent in the player's session: ``python -m pc_daemon.screen --state-dir DIR``.
"""

import argparse
import contextlib
import os
import queue
import sys
import threading
import tkinter as tk
from pathlib import Path
from typing import Final

from pc_daemon.clock import PcClock, SystemClock
from pc_daemon.keyboard_hook import KeyboardHook
from pc_daemon.screen_model import ScreenModel, ScreenView

MAX_PENDING_ORDERS: Final = 64
_REFRESH_MS: Final = 250
_BACKGROUND: Final = "#0b0f17"
_FOREGROUND: Final = "#e6edf7"


class ScreenOwner:
    """Which screen process is the current one: the last to write its mark into the state folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "screen.owner"
        self._mark = str(os.getpid())

    def claim(self) -> None:
        """Be the current one."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._mark)

    def is_ours(self) -> bool:
        """Nobody has claimed the screen since."""
        try:
            return self._file.read_text() == self._mark
        except OSError:
            return True


class ScreenProcess:
    """Ties the model to two windows: one that covers, one that carries a notice."""

    def __init__(self, owner: ScreenOwner, clock: PcClock, hook: KeyboardHook | None) -> None:
        self._owner = owner
        self._clock = clock
        self._hook = hook
        self._orders: queue.Queue[str | None] = queue.Queue(maxsize=MAX_PENDING_ORDERS)
        self._model = ScreenModel()
        self._root = tk.Tk()
        self._cover = _window(self._root)
        self._title = _label(self._cover, 42)
        self._message = _label(self._cover, 20)
        self._banner = _window(self._root)
        self._notice = _label(self._banner, 16)

    def run(self) -> None:
        """Show until another screen process takes over from an abandoned one."""
        self._root.withdraw()
        threading.Thread(target=self._read, daemon=True).start()
        self._refresh()
        self._root.mainloop()

    def _read(self) -> None:
        for line in sys.stdin:
            self._orders.put(line)
        self._orders.put(None)

    def _refresh(self) -> None:
        now_s = self._clock.real_s()
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._orders.get_nowait(), now_s)
        if self._model.orphaned and not self._owner.is_ours():
            self._root.destroy()
            return
        self._draw(self._model.at(now_s))
        self._root.after(_REFRESH_MS, self._refresh)

    def _take(self, line: str | None, now_s: float) -> None:
        if line is None:
            self._model = self._model.abandoned()
            return
        try:
            self._model = self._model.told(line, now_s)
        except ValueError as error:
            sys.stderr.write(f"screen: order ignored: {error}\n")

    def _draw(self, view: ScreenView) -> None:
        if self._hook is not None:
            self._hook.blocking = view.covers
        self._title.configure(text=view.title)
        self._message.configure(text=view.message)
        self._notice.configure(text=view.notice)
        _place(self._cover, shown=view.covers, height=self._cover.winfo_vrootheight())
        _place(self._banner, shown=bool(view.notice) and not view.covers, height=64)


def _window(root: tk.Tk) -> tk.Toplevel:
    window = tk.Toplevel(root, background=_BACKGROUND)
    window.overrideredirect(boolean=True)
    window.attributes("-topmost", True)  # noqa: FBT003 - Tk's own signature
    window.protocol("WM_DELETE_WINDOW", lambda: None)
    return window


def _label(window: tk.Toplevel, size: int) -> tk.Label:
    label = tk.Label(
        window, background=_BACKGROUND, foreground=_FOREGROUND, font=("sans-serif", size)
    )
    label.pack(expand=True)
    return label


def _place(window: tk.Toplevel, *, shown: bool, height: int) -> None:
    if not shown:
        window.withdraw()
        return
    left, top = window.winfo_vrootx(), window.winfo_vrooty()
    window.geometry(f"{window.winfo_vrootwidth()}x{height}{left:+d}{top:+d}")
    window.deiconify()
    # Something else may have come on top since the last refresh.
    window.lift()


def main() -> None:
    """Run the screen of this PC."""
    parser = argparse.ArgumentParser(description="The lock screen of a club PC")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--keyboard-hook", action="store_true")
    arguments = parser.parse_args()
    owner = ScreenOwner(arguments.state_dir)
    owner.claim()
    hook = KeyboardHook() if arguments.keyboard_hook else None
    if hook is not None:
        hook.start()
    ScreenProcess(owner, SystemClock(), hook).run()


if __name__ == "__main__":
    main()
