"""What a signature is made over: the same bytes for signer and verifier, whatever JSON does.

A kind of message has a domain of its own, so that a signature over one is none over another.
Then follow its fields in a fixed order as ``name=value``, those without a value left out; each
part is preceded by its length, so no two messages have the same bytes. A field that is added
later has to be added here under a new domain: until then it is not believed.
"""

from collections.abc import Iterable
from typing import Final

from schemas.device import CoverageLease, DeviceCommand
from schemas.trust import KeysDocument, Welcome

LEASE_DOMAIN: Final = "clubctl lease 1"
ORDER_DOMAIN: Final = "clubctl order 1"
WELCOME_DOMAIN: Final = "clubctl welcome 1"
KEYS_DOMAIN: Final = "clubctl keys 1"

_Field = tuple[str, str | int | None]


def lease_bytes(lease: CoverageLease) -> bytes:
    """Everything a lease grants, and to whom."""
    return _framed(
        LEASE_DOMAIN,
        (
            ("lease_id", lease.lease_id),
            ("chain_id", lease.chain_id),
            ("club_id", lease.club_id),
            ("pc_id", lease.pc_id),
            ("session_id", lease.session_id),
            ("seq", lease.seq),
            ("epoch", lease.epoch),
            ("issued_at_ms", lease.issued_at_ms),
            ("duration_ms", lease.duration_ms),
            ("hard_stop_at_ms", lease.hard_stop_at_ms),
            ("offline_max_ms", lease.offline_max_ms),
            ("kid", lease.kid),
        ),
    )


def order_bytes(order: DeviceCommand, *, club_id: str, pc_id: str) -> bytes:
    """An order and the PC it is for, which only its topic says."""
    return _framed(
        ORDER_DOMAIN,
        (
            ("club_id", club_id),
            ("pc_id", pc_id),
            ("cmd_id", order.cmd_id),
            ("kind", order.kind.value),
            ("not_after_ms", order.not_after_ms),
            ("text", order.text),
            ("duration_ms", order.duration_ms),
            ("mac", order.mac),
            ("code_hash", order.code_hash),
            ("kid", order.kid),
        ),
    )


def welcome_bytes(welcome: Welcome, *, club_id: str, pc_id: str) -> bytes:
    """A welcome and the PC it is for."""
    return _framed(
        WELCOME_DOMAIN,
        (
            ("club_id", club_id),
            ("pc_id", pc_id),
            ("nonce", welcome.nonce),
            ("at_ms", welcome.at_ms),
            ("epoch", welcome.epoch),
            ("rev", welcome.rev),
            ("kid", welcome.kid),
        ),
    )


def keys_bytes(document: KeysDocument) -> bytes:
    """A list of keys, in its order."""
    keys: list[_Field] = [(f"key {entry.kid}", entry.public) for entry in document.keys]
    return _framed(KEYS_DOMAIN, (("version", document.version), *keys, ("kid", document.kid)))


def _framed(domain: str, fields: Iterable[_Field]) -> bytes:
    parts = [domain, *(f"{name}={value}" for name, value in fields if value is not None)]
    return b"".join(b"%d:%b," % (len(raw), raw) for raw in map(str.encode, parts))
