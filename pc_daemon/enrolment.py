"""How this PC becomes known: by a one-time code, once; and how it changes its secret later.

The secret is drawn here. It is on disk before it is sent, so that an answer that is lost, or a PC
that loses power, leaves nothing to be cleared up: the same request is sent again.
"""

import asyncio
import platform
import secrets
import socket
import tomllib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomli_w

from pc_daemon.boots import named_boot
from pc_daemon.club_door import ClubDoor, DoorError
from pc_daemon.private_file import write_private
from schemas.enrolment import (
    ENROLMENT_PATH,
    REFRESH_PATH,
    EnrolmentAnswer,
    EnrolmentFacts,
    EnrolmentRequest,
    RefreshRequest,
    Standing,
)

SECRET_BYTES: Final = 32
CA_FILE: Final = "broker-ca.crt"
KEYS_FILE: Final = "keys.json"
ASK_AGAIN_S: Final = 5.0
FACT_CHARACTERS: Final = 64
_PENDING: Final = ".pending"
_BOARD_FILES: Final = tuple(
    Path("/sys/class/dmi/id") / name for name in ("product_uuid", "board_serial")
)
_MULTICAST_BIT: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class EnrolmentFiles:
    """Where this PC keeps what it is known by: its configuration, and beside it what it trusts."""

    config: Path

    @property
    def pending(self) -> Path:
        """A secret that was sent and not confirmed yet."""
        return self.config.with_name(f"{self.config.name}{_PENDING}")

    @property
    def ca(self) -> Path:
        """Whom to trust as the broker."""
        return self.config.with_name(CA_FILE)

    @property
    def keys(self) -> Path:
        """Whose signatures to believe."""
        return self.config.with_name(KEYS_FILE)

    def read(self) -> dict[str, Any]:
        """The configuration as it is; empty when there is none. Raises ValueError for no TOML."""
        if not self.config.exists():
            return {}
        return tomllib.loads(self.config.read_text())

    def pending_secret(self) -> str:
        """The unconfirmed secret, drawn now if there is none; it is on disk when this returns."""
        if self.pending.exists():
            return self.pending.read_text().strip()
        drawn = secrets.token_urlsafe(SECRET_BYTES)
        write_private(self.pending, drawn.encode())
        return drawn

    def settle(
        self, standing: Standing, secret: str, changes: dict[str, Any], *, pins: bool = False
    ) -> None:
        """Write down how things stand; what the operator has configured besides stays.

        ``pins`` replaces the keys this PC believes: only who holds a code may do that.
        """
        known: dict[str, Any] = {
            "club_id": standing.club_id,
            "pc_id": standing.pc_id,
            "mqtt_url": standing.mqtt_url,
            "mqtt_username": standing.username,
            "mqtt_password": secret,
            **changes,
        }
        if standing.ca_pem:
            write_private(self.ca, standing.ca_pem.encode())
            known["ca_file"] = str(self.ca)
        if standing.keys is not None and (pins or not self.keys.exists()):
            write_private(self.keys, standing.keys.model_dump_json(exclude_none=True).encode())
        if self.keys.exists():
            known["keys_file"] = str(self.keys)
        before = self.read()
        if before != {**before, **known}:
            write_private(self.config, tomli_w.dumps({**before, **known}).encode())
        self.pending.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator typed. ``wait_s``: how long to wait for staff to approve."""

    url: str
    code: str
    pc_id: str | None = None
    ca_file: Path | None = None
    wait_s: float = 600.0


async def enrol(
    wish: Wish,
    files: EnrolmentFiles,
    *,
    mono_s: Callable[[], float],
    told: Callable[[str], None],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Standing:
    """Ask until let in or turned away, and write down what is to be known.

    ``told`` is said what goes on. Raises DoorError, OSError and ValueError.
    """
    door = ClubDoor(wish.url, wish.ca_file)
    if "mqtt_password" in files.read():
        told("this PC is enrolled already; what it is known by is replaced")
    secret = files.pending_secret()
    asked = EnrolmentRequest(code=wish.code, secret=secret, pc_id=wish.pc_id, facts=machine_facts())
    until_s = mono_s() + wish.wait_s
    while True:
        try:
            answer = await door.post(ENROLMENT_PATH, asked, EnrolmentAnswer)
        except DoorError as error:
            if error.is_final:
                files.pending.unlink(missing_ok=True)
            if error.is_final or mono_s() >= until_s:
                raise
            told(f"not yet: {error}")
            await pause(max(ASK_AGAIN_S, error.retry_after_s))
            continue
        if answer.standing is not None:
            files.settle(answer.standing, secret, _where_the_api_is(wish), pins=True)
            return answer.standing
        if mono_s() >= until_s:
            raise DoorError("", f"staff have not approved request {answer.request_id[:8]} yet")
        told(f"waiting for staff to approve request {answer.request_id[:8]}")
        await pause(max(ASK_AGAIN_S, answer.retry_after_s))


async def refresh(files: EnrolmentFiles, *, force: bool = False) -> Standing | None:
    """Ask how things stand; draw a new secret if staff want it, or at once with ``force``.

    None when this PC was not enrolled by a code. Raises DoorError, OSError and ValueError.
    """
    if not isinstance(files.read().get("api_url"), str):
        return None
    # A secret that was sent and never confirmed may be the one in force. It is looked for before
    # the present one is read: whoever settles it meanwhile writes that first and strikes it then.
    new = files.pending_secret() if force or files.pending.exists() else None
    known = files.read()
    url, secret = known.get("api_url"), known.get("mqtt_password")
    if not isinstance(url, str) or not isinstance(secret, str):
        return None
    ca_file = known.get("api_ca_file")
    door = ClubDoor(url, None if ca_file is None else Path(ca_file))
    asked = RefreshRequest(
        club_id=known["club_id"],
        pc_id=known["pc_id"],
        secret=secret,
        new_secret=new,
        facts=machine_facts(),
    )
    standing = await door.post(REFRESH_PATH, asked, Standing)
    files.settle(standing, new or secret, {})
    if standing.renew_wanted and new is None:
        return await refresh(files, force=True)
    return standing


def machine_facts() -> EnrolmentFacts:
    """What staff will know this machine by; whatever the system does not tell is empty."""
    return EnrolmentFacts(
        hostname=socket.gethostname()[:FACT_CHARACTERS],
        mac=_mac(),
        board=_board(),
        system=platform.platform(terse=True)[:FACT_CHARACTERS],
        boot_id=(named_boot() or "")[:FACT_CHARACTERS],
    )


def _mac() -> str:
    number = uuid.getnode()
    if number & _MULTICAST_BIT:
        # The system told none and the library made one up.
        return ""
    return ":".join(f"{number >> shift & 0xFF:02x}" for shift in range(40, -8, -8))


def _board() -> str:
    for path in _BOARD_FILES:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text:
            return text[:FACT_CHARACTERS]
    return ""


def _where_the_api_is(wish: Wish) -> dict[str, Any]:
    found: dict[str, Any] = {"api_url": wish.url}
    if wish.ca_file is not None:
        found["api_ca_file"] = str(wish.ca_file.resolve())
    return found
