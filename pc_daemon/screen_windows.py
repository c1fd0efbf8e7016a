"""The windows of a screen, drawn with Tk: one cover for each monitor, and what lies over a game.

Sizes are parts of the monitor's height, so that a hall reads the same from three metres on a
laptop panel and on a large monitor.
"""

import sys
import tkinter as tk
import tkinter.font as tk_font
from collections.abc import Callable
from typing import Final, Literal

from pc_daemon.cover_sight import Placed
from pc_daemon.monitors import Monitor
from pc_daemon.screen_model import Remaining, ScreenKind, ScreenView, Urgency
from pc_daemon.screen_texts import Language, Phrase, say

NIGHT: Final = "#0c1118"
CARD: Final = "#18212d"
_LIGHT: Final = "#f2f5f9"
_MUTED: Final = "#93a1b3"
ACCENTS: Final = {
    ScreenKind.CONNECTING: "#8796a9",
    ScreenKind.FREE: "#3ecf8e",
    ScreenKind.RESERVED: "#5b9dff",
    ScreenKind.MOVING: "#5b9dff",
    ScreenKind.HELD: "#a48cf2",
    ScreenKind.TIME_OVER: "#f5b942",
    ScreenKind.ENDED: "#5b9dff",
}
_SAID: Final = {
    ScreenKind.CONNECTING: (Phrase.CONNECTING, Phrase.CONNECTING_HINT),
    ScreenKind.FREE: (Phrase.FREE, Phrase.FREE_HINT),
    ScreenKind.RESERVED: (Phrase.RESERVED, Phrase.RESERVED_HINT),
    ScreenKind.MOVING: (Phrase.MOVING, Phrase.MOVING_HINT),
    ScreenKind.HELD: (Phrase.HELD, Phrase.HELD_HINT),
    ScreenKind.TIME_OVER: (Phrase.TIME_OVER, Phrase.TIME_OVER_HINT),
    ScreenKind.ENDED: (Phrase.ENDED, Phrase.ENDED_HINT),
}
URGENT: Final = {
    Urgency.NONE: "#3ecf8e",
    Urgency.SOON: "#f5b942",
    Urgency.VERY_SOON: "#ff8a4c",
    Urgency.LAST_MINUTE: "#ff5a5f",
}
_FAMILIES: Final = ("Segoe UI", "Inter", "Noto Sans", "DejaVu Sans", "Liberation Sans")
_OVERLAY_ALPHA: Final = 0.94
_SHORT_NAME: Final = 9
"""A PC's name longer than this is drawn smaller, so that it stays on the monitor."""

_Line = tuple[str, str, float]
"""Text, colour, and height in hundredths of the monitor's."""


if sys.platform == "win32":
    # There a grab keeps our own windows in order and no other program's.
    from pc_daemon.windows_foreground import come_to_the_front as _is_in_front

else:

    def _is_in_front(_window: int) -> bool:
        return True


class Typography:
    """The best face of this machine; sizes in pixels."""

    def __init__(self, root: tk.Tk) -> None:
        known = set(tk_font.families(root))
        self._family = next((name for name in _FAMILIES if name in known), "TkDefaultFont")

    def face(self, pixels: float, *, bold: bool = False) -> tuple[str, int, str]:
        """A font in Tk's own notation; negative sizes are pixels there."""
        return (self._family, -max(10, round(pixels)), "bold" if bold else "normal")


class _Window:
    """A borderless, topmost window with a canvas that is redrawn when its content changes."""

    def __init__(self, root: tk.Tk, background: str) -> None:
        self.top = tk.Toplevel(root, background=background)
        self.top.withdraw()
        self.top.overrideredirect(boolean=True)
        self.top.attributes("-topmost", True)  # noqa: FBT003 - Tk's own signature
        self.top.protocol("WM_DELETE_WINDOW", lambda: None)
        self.canvas = tk.Canvas(self.top, background=background, highlightthickness=0)
        self.canvas.pack(fill="both", expand=True)
        self._drawn: object = None

    def place(self, area: Monitor) -> None:
        """Show the window there, above whatever came up since."""
        self.top.geometry(f"{area.width}x{area.height}{area.left:+d}{area.top:+d}")
        self.top.deiconify()
        self.top.lift()

    def hide(self) -> None:
        """Take the window away."""
        self.top.withdraw()

    def redraw(self, content: object, draw: Callable[[], None]) -> None:
        """Draw again, unless this is what is drawn already."""
        if content != self._drawn:
            self.canvas.delete("all")
            draw()
            self._drawn = content


class CoverWindow:
    """What hides one monitor of a locked PC."""

    def __init__(
        self, root: tk.Tk, area: Monitor, *, type_: Typography, language: Language
    ) -> None:
        self._window = _Window(root, NIGHT)
        self._area = area
        self._type = type_
        self._language = language
        self._is_placed = False

    def update(self, view: ScreenView, time_of_day: str, code_length: int) -> None:
        """Show what the view says, or get out of the way."""
        self._is_placed = view.covers or view.identify
        if not self._is_placed:
            self._window.hide()
            return
        self._window.place(self._area)
        content = (view, time_of_day, code_length)
        self._window.redraw(content, lambda: self._draw(view, time_of_day, code_length))

    @property
    def placed(self) -> Placed | None:
        """Where it should be seen; None before it was shown and while it is hidden."""
        return Placed(self._area, self._window.top.winfo_id()) if self._is_placed else None

    def take_input(self) -> None:
        """Have the keyboard and the mouse. Raises ``TclError`` when another program holds them."""
        # Taking again what one has loses the keys that are pressed in that moment.
        if self._window.top.grab_status() != "global":
            self._window.top.focus_force()
            self._window.top.grab_set_global()
        if not _is_in_front(self._window.top.winfo_id()):
            raise tk.TclError("another program has the keyboard")

    def release_input(self) -> None:
        """Give them back."""
        self._window.top.grab_release()

    def _draw(self, view: ScreenView, time_of_day: str, code_length: int) -> None:
        if view.identify:
            self._draw_identity(view)
            return
        width, height, canvas = self._area.width, self._area.height, self._window.canvas
        left = width * 0.075
        accent = ACCENTS[view.kind]
        headline, hint = (say(self._language, phrase) for phrase in _SAID[view.kind])
        canvas.create_rectangle(0, 0, width * 0.014, height, fill=accent, width=0)
        self._text(left, height * 0.09, view.club, size=0.032, colour=_MUTED)
        self._text(width * 0.925, height * 0.09, time_of_day, size=0.032, colour=_MUTED, anchor="e")
        self._text(
            left, height * 0.40, view.pc, size=0.22 * _fit(view.pc), colour=_LIGHT, bold=True
        )
        self._text(left, height * 0.60, headline, size=0.075, colour=accent, bold=True)
        self._text(left, height * 0.69, hint, size=0.034, colour=_LIGHT)
        if view.notice:
            self._draw_notice(view.notice)
        if code_length:
            label = say(self._language, Phrase.TECHNICIAN_CODE)
            typed = f"{label}  {'•' * code_length}"
            self._text(width * 0.925, height * 0.93, typed, size=0.026, colour=_MUTED, anchor="e")

    def _draw_notice(self, text: str) -> None:
        width, height, canvas = self._area.width, self._area.height, self._window.canvas
        left, top = width * 0.075, height * 0.78
        canvas.create_rectangle(left, top, width * 0.7, height * 0.92, fill=CARD, width=0)
        canvas.create_rectangle(left, top, left + 6, height * 0.92, fill=_LIGHT, width=0)
        inner = left + width * 0.02
        label = say(self._language, Phrase.MESSAGE_FROM_CLUB)
        self._text(inner, height * 0.81, label, size=0.022, colour=_MUTED)
        self._text(inner, height * 0.862, text, size=0.032, colour=_LIGHT, wrap=width * 0.58)

    def _draw_identity(self, view: ScreenView) -> None:
        width, height = self._area.width, self._area.height
        self._window.canvas.create_rectangle(0, 0, width, height, fill="#2456c8", width=0)
        size = 0.34 * _fit(view.pc)
        self._text(
            width / 2, height / 2, view.pc, size=size, colour=_LIGHT, bold=True, anchor="center"
        )
        self._text(width / 2, height * 0.78, view.club, size=0.04, colour=_LIGHT, anchor="center")

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        colour: str,
        bold: bool = False,
        anchor: Literal["w", "e", "center"] = "w",
        wrap: float = 0,
    ) -> None:
        font = self._type.face(size * self._area.height, bold=bold)
        self._window.canvas.create_text(
            x, y, text=text, fill=colour, anchor=anchor, font=font, width=round(wrap)
        )


class OverlayWindow:
    """What a player sees over a game: the time that is left, and messages."""

    def __init__(
        self, root: tk.Tk, area: Monitor, *, type_: Typography, language: Language
    ) -> None:
        self._window = _Window(root, CARD)
        self._window.top.attributes("-alpha", _OVERLAY_ALPHA)
        self._area = area
        self._type = type_
        self._language = language

    def update(self, view: ScreenView) -> None:
        """Show what is left and what was said, or nothing while the PC is locked."""
        if view.covers or (view.remaining is None and not view.notice and not view.maintenance):
            self._window.hide()
            return
        unit = self._area.height * 0.01
        large = view.remaining is not None and view.remaining.large
        size = (76 * unit, 14 * unit) if view.notice or large else (27 * unit, 5 * unit)
        left = self._area.left + (self._area.width - size[0]) / 2
        place = Monitor(round(left), self._area.top, round(size[0]), round(size[1]))
        self._window.place(place)
        self._window.redraw((view, place), lambda: self._draw(view, place, unit))

    def _draw(self, view: ScreenView, place: Monitor, unit: float) -> None:
        canvas = self._window.canvas
        accent = _LIGHT if view.remaining is None else URGENT[view.remaining.urgency]
        canvas.create_rectangle(0, 0, unit * 0.7, place.height, fill=accent, width=0)
        if view.notice:
            label = say(self._language, Phrase.MESSAGE_FROM_CLUB)
            self._two_lines(place, unit, (label, _MUTED, 2.2), (view.notice, _LIGHT, 2.9))
        elif view.remaining is None:
            text = say(self._language, Phrase.MAINTENANCE)
            self._line(place, unit, text)
        elif view.remaining.large:
            headline = self._warning(view.remaining)
            hint = say(self._language, Phrase.TOP_UP)
            self._two_lines(place, unit, (headline, accent, 4.2), (hint, _LIGHT, 2.7))
        else:
            self._line(place, unit, self._left(view.remaining))

    def _warning(self, remaining: Remaining) -> str:
        if remaining.urgency is Urgency.LAST_MINUTE:
            return say(self._language, Phrase.LAST_MINUTE)
        assert remaining.left_s is not None
        minutes = -(-remaining.left_s // 60)
        return say(self._language, Phrase.MINUTES_LEFT, minutes=minutes)

    def _left(self, remaining: Remaining) -> str:
        if remaining.left_s is None:
            return say(self._language, Phrase.OPEN_TIME)
        return f"{time_left(remaining.left_s)} {say(self._language, Phrase.LEFT)}"

    def _line(self, place: Monitor, unit: float, text: str) -> None:
        font = self._type.face(2.6 * unit, bold=True)
        centre = place.width / 2, place.height / 2
        self._window.canvas.create_text(*centre, text=text, fill=_LIGHT, font=font)

    def _two_lines(self, place: Monitor, unit: float, *lines: _Line) -> None:
        first, second = lines
        left, wrap = 3 * unit, round(place.width - 6 * unit)
        for y, bold, (text, colour, size) in ((4.4, True, first), (9.6, False, second)):
            font = self._type.face(size * unit, bold=bold)
            self._window.canvas.create_text(
                left, y * unit, text=text, fill=colour, font=font, anchor="w", width=wrap
            )


def time_left(left_s: int) -> str:
    """``1:05:09`` or ``5:09``."""
    minutes, seconds = divmod(left_s, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"


def _fit(name: str) -> float:
    return min(1.0, _SHORT_NAME / max(1, len(name)))
