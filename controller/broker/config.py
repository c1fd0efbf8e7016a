"""A complete Mosquitto configuration in one folder: what listens where, with which files.

``mosquitto.conf`` and the certificates change by hand; the PCs' password and access files follow
the catalogue (:mod:`controller.broker.follow`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from controller.broker.access import (
    CONTROLLER_USER,
    KnownPc,
    access_file,
    controller_access_file,
    controller_password_file,
    password_file,
)
from controller.broker.certificates import SERVER_CERT, SERVER_KEY, write_private
from controller.broker.passwords import broker_hash, is_secret_of
from schemas.codec import MAX_UP_BYTES

CONFIG: Final = "mosquitto.conf"
PID_FILE: Final = "mosquitto.pid"
PC_PASSWORDS: Final = "pcs.passwords"
PC_ACCESS: Final = "pcs.access"
CONTROLLER_PASSWORDS: Final = "controller.passwords"
CONTROLLER_ACCESS: Final = "controller.access"

MAX_PACKET_BYTES: Final = 2 * MAX_UP_BYTES
MAX_INFLIGHT: Final = 200
MAX_QUEUED: Final = 10_000
MAX_QUEUED_BYTES: Final = 16 * 1024 * 1024
MAX_KEEPALIVE_S: Final = 120
MAX_CONTROLLERS: Final = 256
CONNECTIONS_SPARE: Final = 64
"""Above one per PC: a connection that is being replaced counts until it is gone."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a listener is. An empty host: every address of the machine."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """What the operator decides. ``folder`` holds the configuration, ``data_dir`` what is kept."""

    folder: Path
    data_dir: Path
    pcs: Listening
    controller: Listening
    max_pcs: int
    controller_user: str = CONTROLLER_USER
    run_as: str | None = None
    """The system's user Mosquitto becomes when root starts it."""
    log_dest: str = "stderr"

    @property
    def pid_file(self) -> Path:
        """Where Mosquitto says which process it is."""
        return self.data_dir / PID_FILE


def configuration(plan: BrokerPlan) -> str:
    """The text of ``mosquitto.conf``."""
    folder, controller = plan.folder, plan.controller
    cert, key = folder / SERVER_CERT, folder / SERVER_KEY
    over_tls = f"certfile {cert}\nkeyfile {key}\ntls_version tlsv1.2\n"
    template = files("controller.broker").joinpath(CONFIG).read_text()
    return template.format(
        user_line="" if plan.run_as is None else f"user {plan.run_as}\n",
        pid_file=plan.pid_file,
        data_dir=plan.data_dir,
        log_dest=plan.log_dest,
        max_packet_bytes=MAX_PACKET_BYTES,
        max_inflight=MAX_INFLIGHT,
        max_queued=MAX_QUEUED,
        max_queued_bytes=MAX_QUEUED_BYTES,
        max_keepalive_s=MAX_KEEPALIVE_S,
        max_connections=plan.max_pcs + CONNECTIONS_SPARE,
        max_controllers=MAX_CONTROLLERS,
        pcs_port=plan.pcs.port,
        pcs_host=f" {plan.pcs.host}" if plan.pcs.host else "",
        server_cert=cert,
        server_key=key,
        pcs_passwords=folder / PC_PASSWORDS,
        pcs_access=folder / PC_ACCESS,
        controller_words="on this machine only" if controller.is_loopback else "TLS as well",
        controller_port=controller.port,
        controller_host=controller.host,
        controller_tls="" if controller.is_loopback else over_tls,
        controller_passwords=folder / CONTROLLER_PASSWORDS,
        controller_access=folder / CONTROLLER_ACCESS,
    )


def write_configuration(plan: BrokerPlan, *, controller_secret: str, salt: bytes) -> bool:
    """Write the configuration and the controller's files; whether anything changed."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    plan.data_dir.mkdir(parents=True, exist_ok=True)
    user = plan.controller_user
    changes = (
        write_changed(plan.folder / CONFIG, configuration(plan)),
        write_changed(plan.folder / CONTROLLER_ACCESS, controller_access_file(user)),
        _write_controller(plan.folder / CONTROLLER_PASSWORDS, user, controller_secret, salt=salt),
    )
    return any(changes)


def write_rules(folder: Path, pcs: Iterable[KnownPc]) -> bool:
    """Write who may connect and what they may say; whether anything changed.

    Each file is replaced whole. Between the two a PC has a password and no rules, or rules and
    no password: less than it is due, never more.
    """
    known = tuple(pcs)
    rules = write_changed(folder / PC_ACCESS, access_file(known))
    return write_changed(folder / PC_PASSWORDS, password_file(known)) or rules


def write_changed(path: Path, text: str) -> bool:
    """Replace the file when it differs; whether it did. Only its owner can read it."""
    if path.exists() and path.read_text() == text:
        return False
    write_private(path, text.encode())
    return True


def _write_controller(path: Path, user: str, secret: str, *, salt: bytes) -> bool:
    # The salt is drawn anew each time; a line that fits the secret is left alone.
    stored = path.read_text() if path.exists() else ""
    name, _, stored_hash = stored.strip().partition(":")
    if name == user and is_secret_of(stored_hash, secret):
        return False
    return write_changed(path, controller_password_file(user, broker_hash(secret, salt)))
