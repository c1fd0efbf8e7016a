"""What the agent tells its screen and what the screen answers: JSON lines over one pipe.

The pipe is inherited, not named, so nobody else can hold its other end. Durations are real
milliseconds: a screen knows nothing of business time.
"""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Final

from schemas.pc_modes import LockReason, PcMode

MAX_LINE_BYTES: Final = 8_192
MAX_CODE_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class ShowOrder:
    """Look like this. ``lock_after_ms``: cover by yourself after that, should the agent be gone.

    ``ends_in_ms`` is what the player is told; None when nobody can tell.
    """

    mode: PcMode
    reason: LockReason | None = None
    """Why it is locked; None: this PC has not heard of its club yet."""
    club: str = ""
    pc: str = ""
    message: str = ""
    player: str = ""
    lock_after_ms: int | None = None
    ends_in_ms: int | None = None
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class NoticeOrder:
    """Show a message of the club's staff for a while."""

    text: str


@dataclass(frozen=True, slots=True)
class IdentifyOrder:
    """Show the PC's number, large, over everything, for ``for_ms``."""

    for_ms: int


class Hindrance(StrEnum):
    """Why a screen that wants to cover does not."""

    HIDDEN = "hidden"
    """Something stays above it, or takes it off the display."""
    INPUT = "input"
    """Another program holds the keyboard or the mouse."""


@dataclass(frozen=True, slots=True)
class Alive:
    """The screen's own loop turns.

    ``covers``: every monitor is seen to be covered and the input is held, as far as the system
    tells; ``hindrance`` is what prevents it. ``foreground`` is the player's program, only where
    the club has turned that on.
    """

    covers: bool
    monitors: int
    foreground: str | None = None
    hindrance: Hindrance | None = None


@dataclass(frozen=True, slots=True)
class CodeTyped:
    """A technician typed a code on the locked screen."""

    code: str


Order = ShowOrder | NoticeOrder | IdentifyOrder
Word = Alive | CodeTyped

_KINDS: Final[dict[str, type[Order | Word]]] = {
    "show": ShowOrder,
    "notice": NoticeOrder,
    "identify": IdentifyOrder,
    "alive": Alive,
    "code": CodeTyped,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def to_line(spoken: Order | Word) -> bytes:
    """One line, newline included."""
    return json.dumps({_NAMES[type(spoken)]: asdict(spoken)}).encode() + b"\n"


def from_line(line: bytes | str) -> Order | Word:
    """What a line says. Raises ``ValueError`` for one that says nothing."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("the line is too long")
    try:
        said = json.loads(line)
    except RecursionError as error:
        raise ValueError("the line is nested too deeply") from error
    if not isinstance(said, dict) or len(said) != 1:
        raise ValueError("a line is an object with one word")
    name, fields = next(iter(said.items()))
    kind = _KINDS.get(name)
    if kind is None or not isinstance(fields, dict):
        raise ValueError(f"{str(name)[:40]!r} is no word")
    try:
        return _checked(kind(**fields))
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error


def _checked(said: Order | Word) -> Order | Word:
    match said:
        case ShowOrder():
            _whole(said.lock_after_ms, said.ends_in_ms)
            reason = None if said.reason is None else LockReason(said.reason)
            return replace(said, mode=PcMode(said.mode), reason=reason)
        case IdentifyOrder():
            _whole(said.for_ms)
        case CodeTyped():
            if len(_text(said.code)) > MAX_CODE_LENGTH:
                raise ValueError("code: a short text")
        case NoticeOrder():
            _text(said.text)
        case Alive():
            _whole(said.monitors)
            _text(said.foreground or "")
            hindrance = None if said.hindrance is None else Hindrance(said.hindrance)
            return replace(said, hindrance=hindrance)
    return said


def _whole(*numbers: object) -> None:
    for number in numbers:
        if number is not None and not isinstance(number, int):
            raise ValueError("milliseconds are whole numbers")


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError("a text is wanted")  # noqa: TRY004 - one error for a bad line
    return text
