"""The catalogue of events, made from their schemas: a page for people and JSON Schema for machines.

``python -m controller.event_catalogue`` writes ``docs/events.md`` and ``docs/events.json``; a test
fails when they are stale.
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final

from schemas.events import EVENT_DATA, EventMessage

PAGE: Final = Path("docs/events.md")
SCHEMAS: Final = Path("docs/events.json")

_INTRODUCTION: Final = """\
# Events

Everything that happens to sessions, orders, wallets, PCs and the links of clubs, as webhooks
deliver it. Each event is written by the same commit that makes it true.

* `id` is unique. A delivery may come twice; drop what you have seen.
* `sequence` counts 1, 2, 3 ... without gaps per `source` (`session:<id>`, `order:<id>`, `pc:<id>`
  or `club:<id>`); deliveries of one source keep that order.
* Money is an integer in minor units, instants are RFC 3339 in UTC.
* New kinds and new fields may appear; ignore what you do not know.

[`events.json`](events.json) has the JSON Schema of every kind. A delivery is signed as
[Standard Webhooks](https://www.standardwebhooks.com) describes: `webhook-id` is the event's `id`,
`webhook-timestamp` is in seconds, and `webhook-signature` holds `v1,` and the Base64 of
HMAC-SHA256 over `<id>.<timestamp>.<body>`, under the Base64 secret that follows `whsec_`. While a
secret is being replaced there are two signatures, separated by a space.

Answer with 2xx within 10 seconds. Anything else is tried again for three days, at growing
distances; `410 Gone` ends the subscription. Redirects are not followed.
"""

_SAMPLES: Final[dict[str, Any]] = {
    "amountMinor": 40_000,
    "balanceBonusMinor": 500,
    "balanceMinor": 9_000,
    "bonusMinor": 5_000,
    "bootId": "b7f3",
    "cardMinor": 0,
    "cashMinor": 12_000,
    "cause": "BALANCE",
    "command": "REBOOT",
    "commandId": "6f1d9a2c",
    "currency": "EUR",
    "decidedBy": "staff:ivan",
    "detail": "forged lease",
    "downSince": "2026-11-22T18:20:00.000Z",
    "dueMinor": 0,
    "durationMs": 5_400_000,
    "end": "DOCUMENT",
    "endedAt": "2026-11-22T19:30:00.000Z",
    "forfeitedMinor": 0,
    "fromAt": "2026-11-22T18:21:00.000Z",
    "fromPcId": "pc-07",
    "leaseId": "ses-5f1c",
    "lastSeenAt": "2026-11-22T18:20:00.000Z",
    "level": "ENDING_SOON",
    "minutes": 12,
    "notRespondingSince": "2026-11-22T18:20:40.000Z",
    "outage": 0,
    "line": 0,
    "means": "cash",
    "orderId": "ord-77",
    "outcome": "DONE",
    "pcId": "pc-12",
    "pcs": 24,
    "plannedStartAt": "2026-11-22T18:00:00.000Z",
    "playerId": "ply-anna",
    "playerTariffId": "pt-81",
    "policy": "CASH",
    "pricePerHourMinor": 24_000,
    "reason": "ManualByPlayer",
    "reasons": "locker-failed",
    "recordSequence": 4,
    "rule": "evening",
    "segment": 1,
    "sessionId": "ses-5f1c",
    "startedAt": "2026-11-22T18:00:00.000Z",
    "tariffId": "standard",
    "tariffVersion": 3,
    "thresholdMinor": 10_000,
    "until": "2026-11-22T20:00:00.000Z",
    "untilAt": "2026-11-22T18:33:00.000Z",
    "verdict": "FROZEN",
    "what": "TAMPER",
    "zoneId": "vip",
}
_OF_LINKS: Final = {"cause": "CLUB"}
_OF_ORDERS: Final = {"sessionId": None}


def sample(kind: str) -> dict[str, Any]:
    """A message of this kind that its schema accepts."""
    names = [field.alias or name for name, field in EVENT_DATA[kind].model_fields.items()]
    of_club = "sessionId" not in names
    values = _SAMPLES | (_OF_LINKS if of_club else {})
    if "orderId" in names:
        values |= _OF_ORDERS
    source = "club:north" if of_club else _source(names)
    return {
        "id": f"{source}:3",
        "type": kind,
        "timestamp": "2026-11-22T18:21:00.000Z",
        "source": source,
        "sequence": 3,
        "chainId": "orbit",
        "clubId": "north",
        "data": {name: values[name] for name in names},
    }


def _source(names: list[str]) -> str:
    if "orderId" in names:
        return "order:ord-77"
    return "pc:pc-12" if names[:2] == ["pcId", "sessionId"] else "session:ses-5f1c"


def page() -> str:
    """The catalogue for people."""
    rows = [f"| [`{kind}`](#{kind}) | {_first_line(kind)} |" for kind in EVENT_DATA]
    table = "\n".join(["| Event | When |", "|---|---|", *rows])
    return "\n".join([_INTRODUCTION, table, "", *map(_section, EVENT_DATA)])


def _section(kind: str) -> str:
    text = inspect.cleandoc(EVENT_DATA[kind].__doc__ or "")
    shown = json.dumps(sample(kind), indent=2)
    return f"## {kind}\n\n{text}\n\n```json\n{shown}\n```\n"


def _first_line(kind: str) -> str:
    return inspect.cleandoc(EVENT_DATA[kind].__doc__ or "").splitlines()[0]


def schemas() -> str:
    """JSON Schema of a message of any kind."""
    envelope = EventMessage.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = {}
    kinds = []
    for kind, model in EVENT_DATA.items():
        data = model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions |= data.pop("$defs", {})
        # What is new to a receiver must not break it.
        data.pop("additionalProperties", None)
        definitions[model.__name__] = data
        properties = envelope["properties"] | {
            "type": {"const": kind},
            "data": {"$ref": f"#/$defs/{model.__name__}"},
        }
        kinds.append({"type": "object", "properties": properties, "required": envelope["required"]})
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "clubctl events",
        "oneOf": kinds,
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    SCHEMAS.write_text(schemas())
