"""Bytes <-> device messages: one place for JSON, versions and size limits.

``decode`` is total: whatever bytes arrive, it returns a valid message or raises
``MalformedMessage`` with a stable code fit for a metric label.
"""

from enum import StrEnum
from typing import Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from schemas.device import (
    Birth,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandResult,
    Heartbeat,
    Presence,
    Reported,
    UsageAck,
    UsageBatch,
)
from schemas.topics import DownLeaf, Leaf, UpLeaf
from schemas.trust import KeysDocument, Welcome

M = TypeVar("M", bound=BaseModel)

MAX_DESIRED_BYTES: Final = 4 * 1024
MAX_DOWN_BYTES: Final = 4 * 1024
MAX_UP_BYTES: Final = 8 * 1024

_OTHER_DOWN: Final = frozenset({DeviceCommand, UsageAck, Welcome, KeysDocument})

DownMessage = DesiredDocument | DeviceCommand | UsageAck | Welcome | KeysDocument
UpMessage = Birth | Heartbeat | Reported | Presence | UsageBatch | DeviceCommandResult
DeviceMessage = DownMessage | UpMessage

MESSAGE_OF_LEAF: Final[dict[Leaf, type[DeviceMessage]]] = {
    DownLeaf.DESIRED: DesiredDocument,
    DownLeaf.CMD: DeviceCommand,
    DownLeaf.ACK: UsageAck,
    DownLeaf.WELCOME: Welcome,
    DownLeaf.KEYS: KeysDocument,
    UpLeaf.BIRTH: Birth,
    UpLeaf.PRESENCE: Presence,
    UpLeaf.HEARTBEAT: Heartbeat,
    UpLeaf.REPORTED: Reported,
    UpLeaf.USAGE: UsageBatch,
    UpLeaf.RESULT: DeviceCommandResult,
}
LEAF_OF_MESSAGE: Final = {message: leaf for leaf, message in MESSAGE_OF_LEAF.items()}


class MalformedCode(StrEnum):
    """Why a message was dropped."""

    OVERSIZED = "oversized"
    NOT_JSON = "not-json"
    UNSUPPORTED_VERSION = "unsupported-version"
    INVALID_FIELD = "invalid-field"


class MalformedMessage(ValueError):  # noqa: N818 - the wire's noun, raised and counted as such
    """Bytes that are not a message of their leaf. ``detail`` names the field, never its value."""

    def __init__(self, code: MalformedCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def encode(message: BaseModel) -> bytes:
    """Return the JSON of ``message`` without its None fields.

    Raises ``MalformedMessage`` (oversized) when it would break the limit of its leaf.
    """
    payload = orjson.dumps(message.model_dump(mode="json", exclude_none=True))
    limit = max_bytes(type(message))
    if len(payload) > limit:
        raise MalformedMessage(MalformedCode.OVERSIZED, f"{len(payload)} > {limit} bytes")
    return payload


def decode(leaf: Leaf, payload: bytes) -> DeviceMessage:
    """Return the message of ``leaf`` in ``payload`` or raise ``MalformedMessage``."""
    return decode_as(MESSAGE_OF_LEAF[leaf], payload)


def decode_as(model: type[M], payload: bytes) -> M:
    """Return ``payload`` as ``model`` or raise ``MalformedMessage``."""
    limit = max_bytes(model)
    if len(payload) > limit:
        raise MalformedMessage(MalformedCode.OVERSIZED, f"{len(payload)} > {limit} bytes")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise _malformed(error) from None


def max_bytes(model: type[BaseModel]) -> int:
    """The size limit of a message."""
    if model is DesiredDocument:
        return MAX_DESIRED_BYTES
    return MAX_DOWN_BYTES if model in _OTHER_DOWN else MAX_UP_BYTES


def _malformed(error: ValidationError) -> MalformedMessage:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "message"
    if first["type"] == "json_invalid":
        return MalformedMessage(MalformedCode.NOT_JSON, "not JSON")
    versions = [e for e in error.errors(include_input=False) if e["loc"] == ("v",)]
    if versions:
        return MalformedMessage(MalformedCode.UNSUPPORTED_VERSION, "v")
    return MalformedMessage(MalformedCode.INVALID_FIELD, f"{field}: {first['type']}")
