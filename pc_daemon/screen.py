"""The screen process: covers every monitor of a locked PC, stays out of the way of a player.

Run by the agent in the player's session: ``python -m pc_daemon.screen``. Orders come on standard
input, words go out on standard output (see ``screen_orders``).
"""

import argparse
import contextlib
import os
import queue
import sys
import threading
import tkinter as tk
from collections.abc import Callable
from typing import Final

from pc_daemon.clock import SystemClock, time_of_day
from pc_daemon.cover_sight import Sight
from pc_daemon.cover_watch import CoverWatch
from pc_daemon.foreground import foreground_program
from pc_daemon.keyboard_hook import KeyboardHook
from pc_daemon.monitors import Monitor, layout_of, monitors, see_every_pixel
from pc_daemon.screen_model import ScreenModel, ScreenView
from pc_daemon.screen_orders import (
    MAX_CODE_LENGTH,
    Alive,
    CodeTyped,
    Hindrance,
    IdentifyOrder,
    NoticeOrder,
    ShowOrder,
    Word,
    from_line,
    to_line,
)
from pc_daemon.screen_texts import Language
from pc_daemon.screen_windows import CoverWindow, OverlayWindow, Typography

if sys.platform == "win32":
    from pc_daemon.windows_sight import WindowsSight as SystemSight
else:
    from pc_daemon.x_sight import XSight as SystemSight

MAX_PENDING_ORDERS: Final = 64
_REFRESH_MS: Final = 200
_ALIVE_EVERY_REFRESHES: Final = 3
_LAYOUT_EVERY_REFRESHES: Final = 10
_GRAB_AGAIN_AFTER_S: Final = 2.0
"""Asking for an input that another program holds stops the screen for up to two seconds."""


def _untold() -> str | None:
    return None


class ScreenProcess:
    """Ties the model to its windows and to the agent's pipe.

    ``now_s`` must go on while the PC sleeps: paid time does.
    """

    def __init__(
        self,
        *,
        now_s: Callable[[], float],
        language: Language,
        layout: tuple[Monitor, ...] = (),
        hook: KeyboardHook | None = None,
        foreground: Callable[[], str | None] = _untold,
        sight: Sight | None = None,
    ) -> None:
        self._now_s = now_s
        self._language = language
        self._fixed_layout = layout
        self._hook = hook
        self._foreground = foreground
        self._watch = CoverWatch(sight, _tell)
        self._orders: queue.Queue[str | None] = queue.Queue(maxsize=MAX_PENDING_ORDERS)
        self._model = ScreenModel()
        self._root = tk.Tk()
        self._type = Typography(self._root)
        self._layout: tuple[Monitor, ...] = ()
        self._covers: list[CoverWindow] = []
        self._overlay: OverlayWindow | None = None
        self._code = ""
        self._refreshes = 0
        self._said: Alive | None = None
        self._refused_s: float | None = None

    def run(self) -> None:
        """Show for as long as the session lasts, or the agent that comes back ends it."""
        self._root.withdraw()
        self._root.bind_all("<Key>", self._on_key)
        threading.Thread(target=self._read, daemon=True).start()
        self._refresh()
        self._root.mainloop()

    def _read(self) -> None:
        for line in sys.stdin:
            self._orders.put(line)
        self._orders.put(None)

    def _refresh(self) -> None:
        # Whatever fails in one look must not end the looking: that would leave a frozen screen.
        try:
            self._look()
        finally:
            self._refreshes += 1
            self._root.after(_REFRESH_MS, self._refresh)

    def _look(self) -> None:
        now_s = self._now_s()
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._orders.get_nowait(), now_s)
        if self._refreshes % _LAYOUT_EVERY_REFRESHES == 0:
            self._lay_out()
        view = self._model.at(now_s)
        hidden = self._look_at_covers(view)
        self._draw(view)
        if self._said is None:
            # The screen of an earlier agent holds the input until it hears that we cover.
            self._root.update_idletasks()
            self._said = Alive(covers=False, monitors=len(self._layout))
            self._say(self._said)
        holds_input = self._hold_input(now_s, covers=view.covers)
        self._say_alive(view, hidden or (None if holds_input else Hindrance.INPUT))

    def _look_at_covers(self, view: ScreenView) -> Hindrance | None:
        if not view.covers:
            self._watch.rest()
            return None
        placed = [cover.placed for cover in self._covers]
        hindrance = self._watch.look([one for one in placed if one is not None])
        if self._watch.are_gone:
            self._layout = ()
            self._lay_out()
            self._watch.made_anew()
        return hindrance

    def _say_alive(self, view: ScreenView, hindrance: Hindrance | None) -> None:
        """Now and then, and at once when what is seen has changed."""
        covers = view.covers and hindrance is None
        hindrance = hindrance if view.covers else None
        said = None if self._said is None else (self._said.covers, self._said.hindrance)
        is_news = said != (covers, hindrance)
        if is_news or self._refreshes % _ALIVE_EVERY_REFRESHES == 0:
            foreground = None if view.covers else self._foreground()
            self._said = Alive(covers, len(self._layout), foreground, hindrance)
            self._say(self._said)

    def _take(self, line: str | None, now_s: float) -> None:
        if line is None:
            self._model = self._model.abandoned()
            return
        try:
            order = from_line(line)
        except ValueError as error:
            _tell(f"screen: order ignored: {error}\n")
            return
        if isinstance(order, ShowOrder | NoticeOrder | IdentifyOrder):
            self._model = self._model.told(order, now_s)

    def _lay_out(self) -> None:
        """Follow monitors that were plugged in, out, or turned."""
        layout = self._fixed_layout or monitors() or (self._whole_desktop(),)
        if layout == self._layout:
            return
        for window in self._root.winfo_children():
            window.destroy()
        self._layout = layout
        self._covers = [
            CoverWindow(self._root, area, type_=self._type, language=self._language)
            for area in layout
        ]
        self._overlay = OverlayWindow(
            self._root, layout[0], type_=self._type, language=self._language
        )

    def _whole_desktop(self) -> Monitor:
        root = self._root
        return Monitor(
            root.winfo_vrootx(),
            root.winfo_vrooty(),
            root.winfo_vrootwidth(),
            root.winfo_vrootheight(),
        )

    def _draw(self, view: ScreenView) -> None:
        if self._hook is not None:
            self._hook.blocking = view.covers
        if not view.covers:
            self._code = ""
        for cover in self._covers:
            cover.update(view, time_of_day(), len(self._code))
        if self._overlay is not None:
            self._overlay.update(view)

    def _hold_input(self, now_s: float, *, covers: bool) -> bool:
        """Whether the input is ours, or need not be."""
        if not covers:
            self._refused_s = None
            self._covers[0].release_input()
            return True
        if self._refused_s is not None and now_s - self._refused_s < _GRAB_AGAIN_AFTER_S:
            return False
        # A game that holds the pointer refuses us for a moment; we try again.
        try:
            self._covers[0].take_input()
        except tk.TclError:
            self._refused_s = self._now_s()
            return False
        self._refused_s = None
        return True

    def _on_key(self, event: "tk.Event[tk.Misc]") -> None:
        if not self._model.at(self._now_s()).covers:
            return
        if event.keysym in ("Return", "KP_Enter"):
            if self._code:
                self._say(CodeTyped(self._code))
            self._code = ""
        elif event.keysym in ("Escape", "BackSpace"):
            self._code = "" if event.keysym == "Escape" else self._code[:-1]
        elif event.char.isalnum() and len(self._code) < MAX_CODE_LENGTH:
            self._code += event.char

    def _say(self, word: Word) -> None:
        # Nobody listens once the agent is gone; the screen goes on alone.
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), to_line(word))


def _hooked() -> KeyboardHook | None:
    """A screen that the system gives no hook goes without: it still covers."""
    hook = KeyboardHook()
    try:
        hook.start()
    except OSError as error:
        _tell(f"screen: no keyboard hook: {error}\n")
        return None
    return hook


def _tell(line: str) -> None:
    # Where the agent alone reads it, nobody does once the agent is gone.
    with contextlib.suppress(OSError):
        sys.stderr.write(line)


def main() -> None:
    """Run the screen of this PC."""
    parser = argparse.ArgumentParser(description="The screen of a club PC")
    parser.add_argument("--language", type=Language, default=Language.ENGLISH)
    parser.add_argument("--monitors", type=layout_of, default=())
    parser.add_argument("--keyboard-hook", action="store_true")
    parser.add_argument("--foreground", action="store_true", help="tell which program is in front")
    arguments = parser.parse_args()
    see_every_pixel()
    hook = _hooked() if arguments.keyboard_hook else None
    ScreenProcess(
        now_s=SystemClock().since_boot_s,
        language=arguments.language,
        layout=arguments.monitors,
        hook=hook,
        foreground=foreground_program if arguments.foreground else _untold,
        sight=SystemSight.opened(),
    ).run()


if __name__ == "__main__":
    main()
