"""What a change names as null: cleared where it may be empty, refused by name elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from api_under_test import CLUB, ScriptedGateway, dependencies
from editors_under_test import Editor, code_of, editing

from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.openapi import describe

Made = tuple[str, dict[str, object], str]
PATHS: Final[Mapping[str, str | Made]] = {
    "updateChain": "/chain",
    "updateClubSettings": f"/clubs/{CLUB}/settings",
    "updatePc": f"/clubs/{CLUB}/pcs/pc-1",
    "updatePlayer": "/players/anna",
    "updatePlayerGroup": ("/player-groups", {"groupId": "g1", "name": "Regulars"}, "groupId"),
    "updateStaff": ("/staff", {"staffId": "maria", "name": "Maria"}, "staffId"),
    "updateTariff": "/tariffs/minute",
    "updateWebhook": ("/webhooks", {"url": "https://crm.example/hook"}, "webhookId"),
    "updateZone": f"/clubs/{CLUB}/zones/std",
}
"""Where each change goes, or how what it changes is made first."""
CLEARED: Final[Mapping[tuple[str, str], tuple[object, object]]] = {
    ("updateClubSettings", "noShowMinutes"): (15, None),
    ("updatePlayer", "phone"): ("+491515550909", None),
    ("updateWebhook", "events"): (["session_ended"], []),
    ("updateZone", "defaultTariffId"): ("minute", None),
    ("updateZone", "longestSessionMinutes"): (90, None),
}
"""What may be empty: a value of it, and what it is once it is cleared."""


def changes() -> Iterator[tuple[str, str, bool]]:
    """(operation, field, whether the document lets it be null) of every PATCH."""
    document = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))
    for operations in document["paths"].values():
        if "patch" in operations:
            content = operations["patch"]["requestBody"]["content"]["application/json"]
            name = content["schema"]["$ref"].rpartition("/")[2]
            for field, schema in document["components"]["schemas"][name]["properties"].items():
                kinds = schema.get("anyOf", ())
                yield operations["patch"]["operationId"], field, {"type": "null"} in kinds


CHANGES: Final = tuple(changes())


def test_the_tables_speak_of_every_change() -> None:
    assert {operation for operation, _, _ in CHANGES} == set(PATHS)
    assert {(operation, field) for operation, field, null in CHANGES if null} == set(CLEARED)


async def place(editor: Editor, operation: str) -> str:
    found = PATHS[operation]
    if isinstance(found, str):
        return found
    path, body, name = found
    made = await editor.made(path, body)
    return f"{path}/{made[name]}"


@pytest.mark.parametrize(("operation", "field"), [(one, name) for one, name, _ in CHANGES])
async def test_null_clears_a_field_or_is_refused_by_its_name(operation: str, field: str) -> None:
    async with editing() as editor:
        path = await place(editor, operation)
        before, cleared = CLEARED.get((operation, field), (None, None))
        if before is not None:
            given: dict[str, Any] = (
                await editor.ask("PATCH", path, {field: before}, etag="*")
            ).json()
            assert given[field] == before
        answer = await editor.ask("PATCH", path, {field: None}, etag="*")
        if before is not None:
            assert (answer.status_code, answer.json()[field]) == (200, cleared)
        else:
            assert code_of(answer) == (422, "invalid-request")
            assert answer.json()["field"] == field
            assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_a_change_that_is_refused_for_a_null_changes_nothing() -> None:
    async with editing() as editor:
        shown = await editor.read("/players/anna")
        both = {"label": None, "phone": None, "autoRenewal": True}
        answer = await editor.ask("PATCH", "/players/anna", both, etag="*")
        assert answer.json()["field"] == "label"
        assert await editor.read("/players/anna") == shown
