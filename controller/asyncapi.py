"""The wire between controller and PCs as an AsyncAPI 3 document, made from the code itself.

``python -m controller.asyncapi`` writes ``docs/asyncapi.yaml``; a test fails when it is stale.
"""

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.codec import MESSAGE_OF_LEAF, max_bytes
from schemas.deliveries import DELIVERIES, ECHO_DELIVERY, WILL_DELAY_S, Delivery
from schemas.device import Echo
from schemas.topics import PREFIX, DownLeaf, Leaf, UpLeaf

DOCUMENT: Final = Path("docs/asyncapi.yaml")
ECHO: Final = "ctl_echo"
_REF: Final = "#/components/schemas/{model}"

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


def build_document() -> dict[str, Json]:
    """The whole document."""
    leaves: list[Leaf] = [*DownLeaf, *UpLeaf]
    models = [(one, "validation") for one in (*(MESSAGE_OF_LEAF[leaf] for leaf in leaves), Echo)]
    _, schemas = models_json_schema(models, ref_template=_REF)  # type: ignore[arg-type]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "clubctl devices",
            "version": "1",
            "description": "What the controller and the agents on gaming PCs say to each other"
            " over MQTT 5. Instants are UTC milliseconds, durations milliseconds of business time.",
        },
        "defaultContentType": "application/json",
        "channels": {_name(leaf): _channel(leaf) for leaf in leaves} | {ECHO: _echo_channel()},
        "operations": {_name(leaf): _operation(leaf) for leaf in leaves}
        | {ECHO: _echo_operation()},
        "components": {
            "schemas": schemas["$defs"],
            "messages": {
                model.__name__: _message(model)
                for model in (*(MESSAGE_OF_LEAF[leaf] for leaf in leaves), Echo)
            },
        },
    }


def render(value: Json, indent: int = 0) -> str:
    """``value`` as block YAML; scalars are JSON, which YAML reads alike."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{_key(key)}:{_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_nested(item, indent)}" for item in value)
    return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


def _nested(item: Json, indent: int) -> str:
    if isinstance(item, dict | list) and item:
        return "\n" + render(item, indent + 1)
    return " " + render(item)


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and not key.isdigit() else json.dumps(key)


def _name(leaf: Leaf) -> str:
    return f"{_direction(leaf)}_{leaf.value}"


def _direction(leaf: Leaf) -> str:
    return "down" if isinstance(leaf, DownLeaf) else "up"


def _channel(leaf: Leaf) -> Json:
    message = MESSAGE_OF_LEAF[leaf].__name__
    return {
        "address": f"{PREFIX}/{{club}}/pc/{{pc}}/{_direction(leaf)}/{leaf.value}",
        "parameters": {"club": {"description": "Club id"}, "pc": {"description": "PC id"}},
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _operation(leaf: Leaf) -> Json:
    """Seen from the controller: it sends down and receives up."""
    operation: dict[str, Json] = {
        "action": "send" if isinstance(leaf, DownLeaf) else "receive",
        "channel": {"$ref": f"#/channels/{_name(leaf)}"},
        "bindings": _bindings(DELIVERIES[leaf]),
    }
    if leaf is UpLeaf.PRESENCE:
        operation["description"] = (
            "Also the will of the PC's connection: when that breaks without a goodbye, the broker"
            f" says OFFLINE after {WILL_DELAY_S} s, unless the PC is back by then."
        )
        operation["x-will-delay-interval"] = WILL_DELAY_S
    return operation


def _bindings(delivery: Delivery) -> Json:
    binding: dict[str, Json] = {"qos": delivery.qos, "retain": delivery.retain}
    if delivery.expiry_s is not None:
        binding["messageExpiryInterval"] = delivery.expiry_s
    return {"mqtt": {**binding, "bindingVersion": "0.2.0"}}


def _echo_channel() -> Json:
    """What a host says to itself, to know that the broker delivers."""
    message = Echo.__name__
    return {
        "address": f"{PREFIX}/ctl/{{link}}/echo",
        "parameters": {"link": {"description": "A connection of the controller's own"}},
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _echo_operation() -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{ECHO}"},
        "bindings": _bindings(ECHO_DELIVERY),
    }


def _message(model: type[BaseModel]) -> Json:
    return {
        "name": model.__name__,
        "summary": (model.__doc__ or "").strip().split("\n")[0],
        "description": f"At most {max_bytes(model)} bytes.",
        "payload": {"$ref": _REF.format(model=model.__name__)},
    }


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(render(build_document()))
