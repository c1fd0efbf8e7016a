"""Every word a screen says, in every language it speaks: one table, complete in each."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Language(StrEnum):
    """The languages a club can choose for its screens."""

    ENGLISH = "en"
    RUSSIAN = "ru"


class Phrase(StrEnum):
    """Something a screen can say; ``{...}`` are filled in."""

    CONNECTING = "connecting"
    CONNECTING_HINT = "connecting_hint"
    FREE = "free"
    FREE_HINT = "free_hint"
    RESERVED = "reserved"
    RESERVED_HINT = "reserved_hint"
    MOVING = "moving"
    MOVING_HINT = "moving_hint"
    HELD = "held"
    HELD_HINT = "held_hint"
    TIME_OVER = "time_over"
    TIME_OVER_HINT = "time_over_hint"
    ENDED = "ended"
    ENDED_HINT = "ended_hint"
    MAINTENANCE = "maintenance"
    TECHNICIAN_CODE = "technician_code"
    LEFT = "left"
    MINUTES_LEFT = "minutes_left"
    LAST_MINUTE = "last_minute"
    TOP_UP = "top_up"
    OPEN_TIME = "open_time"
    MESSAGE_FROM_CLUB = "message_from_club"


_ENGLISH: Final = {
    Phrase.CONNECTING: "One moment",
    Phrase.CONNECTING_HINT: "This PC is looking for its club.",
    Phrase.FREE: "Free",
    Phrase.FREE_HINT: "Pick this PC in the app, or ask at the desk.",
    Phrase.RESERVED: "Reserved",
    Phrase.RESERVED_HINT: "Booked it? Press Start in the app, or come to the desk.",
    Phrase.MOVING: "Moving your session",
    Phrase.MOVING_HINT: "Your other PC is closing. A second or two.",
    Phrase.HELD: "Out of use",
    Phrase.HELD_HINT: "Please take another PC.",
    Phrase.TIME_OVER: "Time is over",
    Phrase.TIME_OVER_HINT: "Want to go on? Add time in the app or at the desk.",
    Phrase.ENDED: "Session ended",
    Phrase.ENDED_HINT: "Thank you for playing with us.",
    Phrase.MAINTENANCE: "Maintenance",
    Phrase.TECHNICIAN_CODE: "Technician code",
    Phrase.LEFT: "left",
    Phrase.MINUTES_LEFT: "{minutes} minutes left",
    Phrase.LAST_MINUTE: "Last minute",
    Phrase.TOP_UP: "Add time in the app or at the desk.",
    Phrase.OPEN_TIME: "Open time",
    Phrase.MESSAGE_FROM_CLUB: "Message from the club",
}
_RUSSIAN: Final = {
    Phrase.CONNECTING: "Секунду",
    Phrase.CONNECTING_HINT: "Компьютер ищет свой клуб.",
    Phrase.FREE: "Свободен",
    Phrase.FREE_HINT: "Выберите этот ПК в приложении или подойдите к стойке.",
    Phrase.RESERVED: "Забронирован",
    Phrase.RESERVED_HINT: "Это ваша бронь? Нажмите «Старт» в приложении или подойдите к стойке.",
    Phrase.MOVING: "Пересаживаем вас",
    Phrase.MOVING_HINT: "Прежний ПК закрывается. Это займёт пару секунд.",
    Phrase.HELD: "Не работает",
    Phrase.HELD_HINT: "Пожалуйста, выберите другой ПК.",
    Phrase.TIME_OVER: "Время вышло",
    Phrase.TIME_OVER_HINT: "Хотите продолжить? Добавьте время в приложении или у стойки.",
    Phrase.ENDED: "Сеанс завершён",
    Phrase.ENDED_HINT: "Спасибо, что играли у нас.",
    Phrase.MAINTENANCE: "Обслуживание",
    Phrase.TECHNICIAN_CODE: "Код техника",
    Phrase.LEFT: "осталось",
    Phrase.MINUTES_LEFT: "Осталось минут: {minutes}",
    Phrase.LAST_MINUTE: "Последняя минута",
    Phrase.TOP_UP: "Добавьте время в приложении или у стойки.",
    Phrase.OPEN_TIME: "Открытое время",
    Phrase.MESSAGE_FROM_CLUB: "Сообщение от клуба",
}
TEXTS: Final[Mapping[Language, Mapping[Phrase, str]]] = {
    Language.ENGLISH: _ENGLISH,
    Language.RUSSIAN: _RUSSIAN,
}


def say(language: Language, phrase: Phrase, **filled: object) -> str:
    """A phrase in a language."""
    return TEXTS[language][phrase].format(**filled)
