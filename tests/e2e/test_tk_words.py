"""The words on the windows of the Tk screen, in every language, as Tk has them on its canvas."""

import tkinter as tk
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from displays_under_test import a_display

from pc_daemon.monitors import Monitor
from pc_daemon.screen_model import Remaining, ScreenKind, ScreenView, Urgency
from pc_daemon.screen_texts import Language
from pc_daemon.screen_windows import CoverWindow, OverlayWindow, Typography

AREA = Monitor(0, 0, 1_280, 720)
CLUB, PC = "Nightshift North", "PC 07"
EN, RU = Language.ENGLISH, Language.RUSSIAN
SAID = {
    (EN, ScreenKind.CONNECTING): ("One moment", "This PC is looking for its club."),
    (EN, ScreenKind.FREE): ("Free", "Pick this PC in the app, or ask at the desk."),
    (EN, ScreenKind.RESERVED): (
        "Reserved",
        "Booked it? Press Start in the app, or come to the desk.",
    ),
    (EN, ScreenKind.MOVING): (
        "Moving your session",
        "Your other PC is closing. A second or two.",
    ),
    (EN, ScreenKind.HELD): ("Out of use", "Please take another PC."),
    (EN, ScreenKind.TIME_OVER): (
        "Time is over",
        "Want to go on? Add time in the app or at the desk.",
    ),
    (EN, ScreenKind.ENDED): ("Session ended", "Thank you for playing with us."),
    (RU, ScreenKind.CONNECTING): ("Секунду", "Компьютер ищет свой клуб."),
    (RU, ScreenKind.FREE): (
        "Свободен",
        "Выберите этот ПК в приложении или подойдите к стойке.",
    ),
    (RU, ScreenKind.RESERVED): (
        "Забронирован",
        "Это ваша бронь? Нажмите «Старт» в приложении или подойдите к стойке.",
    ),
    (RU, ScreenKind.MOVING): (
        "Пересаживаем вас",
        "Прежний ПК закрывается. Это займёт пару секунд.",
    ),
    (RU, ScreenKind.HELD): ("Не работает", "Пожалуйста, выберите другой ПК."),
    (RU, ScreenKind.TIME_OVER): (
        "Время вышло",
        "Хотите продолжить? Добавьте время в приложении или у стойки.",
    ),
    (RU, ScreenKind.ENDED): ("Сеанс завершён", "Спасибо, что играли у нас."),
}
SOON = Remaining(599, Urgency.SOON, large=True)
LAST = Remaining(59, Urgency.LAST_MINUTE, large=True)
SMALL = Remaining(3_909, Urgency.NONE, large=False)
PLAYING = ScreenView(covers=False, club=CLUB, pc=PC)

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Desk:
    """The windows of one monitor, and what is written on them."""

    root: tk.Tk
    type_: Typography

    @contextmanager
    def language(self, language: Language) -> Iterator["Windows"]:
        """New windows that speak it."""
        known = set(self.root.children)
        cover = CoverWindow(self.root, AREA, type_=self.type_, language=language)
        overlay = OverlayWindow(self.root, AREA, type_=self.type_, language=language)
        made = [child for name, child in self.root.children.items() if name not in known]
        yield Windows(self.root, cover, overlay)
        for child in made:
            child.destroy()


@dataclass(frozen=True)
class Windows:
    """A cover and an overlay on one monitor."""

    root: tk.Tk
    cover: CoverWindow
    overlay: OverlayWindow

    def covered(self, view: ScreenView, *, code_length: int = 0) -> set[str]:
        """What stands on the cover."""
        self.cover.update(view, "21:45", code_length)
        return self._read(self.cover._window.canvas)

    def laid_over(self, view: ScreenView) -> set[str]:
        """What stands over the game."""
        self.overlay.update(view)
        return self._read(self.overlay._window.canvas)

    def _read(self, canvas: tk.Canvas) -> set[str]:
        self.root.update()
        if canvas.winfo_toplevel().state() == "withdrawn":
            return set()
        words = [item for item in canvas.find_all() if canvas.type(item) == "text"]
        return {canvas.itemcget(item, "text") for item in words}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with a_display(AREA.width, AREA.height) as display:
        root = tk.Tk(screenName=display.name)
        root.withdraw()
        yield Desk(root, Typography(root))
        root.destroy()


def test_every_kind_has_words_in_every_language() -> None:
    assert set(SAID) == {(language, kind) for language in Language for kind in ScreenKind}


@pytest.mark.parametrize(("language", "kind"), SAID)
def test_a_locked_screen_says_where_it_is_why_and_what_to_do(
    desk: Desk, language: Language, kind: ScreenKind
) -> None:
    with desk.language(language) as windows:
        view = ScreenView(kind=kind, club=CLUB, pc=PC)
        assert windows.covered(view) == {CLUB, PC, "21:45", *SAID[language, kind]}
        assert windows.laid_over(view) == set()


@pytest.mark.parametrize(
    ("language", "remaining", "said"),
    [
        (EN, SOON, {"10 minutes left", "Add time in the app or at the desk."}),
        (EN, LAST, {"Last minute", "Add time in the app or at the desk."}),
        (EN, SMALL, {"1:05:09 left"}),
        (EN, replace(SMALL, left_s=309), {"5:09 left"}),
        (EN, replace(SMALL, left_s=None), {"Open time"}),
        (RU, SOON, {"Осталось минут: 10", "Добавьте время в приложении или у стойки."}),
        (RU, LAST, {"Последняя минута", "Добавьте время в приложении или у стойки."}),
        (RU, SMALL, {"1:05:09 осталось"}),
        (RU, replace(SMALL, left_s=None), {"Открытое время"}),
    ],
)
def test_a_player_reads_what_is_left(
    desk: Desk, language: Language, remaining: Remaining, said: set[str]
) -> None:
    with desk.language(language) as windows:
        view = replace(PLAYING, remaining=remaining)
        assert windows.laid_over(view) == said
        assert windows.covered(view) == set()


@pytest.mark.parametrize(
    ("language", "label", "maintenance", "code"),
    [
        (EN, "Message from the club", "Maintenance", "Technician code  •••"),
        (RU, "Сообщение от клуба", "Обслуживание", "Код техника  •••"),
    ],
)
def test_messages_and_a_technicians_code_are_read_where_they_belong(
    desk: Desk, language: Language, label: str, maintenance: str, code: str
) -> None:
    notice = "Пицца готова"
    with desk.language(language) as windows:
        told = replace(PLAYING, remaining=SMALL, notice=notice)
        assert windows.laid_over(told) == {label, notice}
        assert windows.laid_over(replace(PLAYING, maintenance=True)) == {maintenance}
        free = ScreenView(kind=ScreenKind.FREE, club=CLUB, pc=PC)
        said = {CLUB, PC, "21:45", *SAID[language, ScreenKind.FREE]}
        assert windows.covered(replace(free, notice=notice)) == said | {label, notice}
        assert windows.covered(free, code_length=3) == said | {code}
        assert windows.covered(replace(free, identify=True)) == {CLUB, PC}
