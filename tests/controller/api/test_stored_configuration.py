"""Every document that the API stores says its version; what older releases stored is read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from api_under_test import CHAIN
from configured_chain import configured, documents_of
from editors_under_test import code_of
from pydantic import BaseModel

from billing_core.stored import tariff_from_dict
from controller.enrolment.book import parsed
from controller.webhooks.subscriptions import parsed as subscriptions_in
from schemas.catalogue import (
    ApiKeyDocument,
    ClubDocument,
    PcDocument,
    PhoneDocument,
    PlayerDocument,
    PlayerGroupDocument,
    StaffDocument,
    ZoneDocument,
)
from schemas.enrolment import EnrolmentCode, PcCredential, WaitingRequest
from schemas.webhooks import WebhookDocument

GOLDEN: Final = Path(__file__).parent / "golden"
"""One snapshot a kind and version. None is ever edited: see ``test_stored_versions``."""
MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "apikey": ApiKeyDocument,
    "club": ClubDocument,
    "code": EnrolmentCode,
    "credential": PcCredential,
    "group": PlayerGroupDocument,
    "pc": PcDocument,
    "phone": PhoneDocument,
    "player": PlayerDocument,
    "request": WaitingRequest,
    "staff": StaffDocument,
    "webhook": WebhookDocument,
    "zone": ZoneDocument,
}
NOT_ALWAYS: Final[Mapping[str, frozenset[str]]] = {
    "code": frozenset({"pc_id"}),
    "credential": frozenset({"replaced_digest", "renewed_at_ms"}),
    "request": frozenset({"pc_id", "rejected_at_ms"}),
}
"""What an entry of the enrolment book does not say while there is nothing to say."""
TARIFFS: Final = ("draft", "tariff")
SNAPSHOTS: Final = sorted(path.name for path in GOLDEN.glob("*.json"))


def kind_of(name: str, document: Mapping[str, Any]) -> str:
    """A PC's entry in the enrolment book has the name that the PC has in the catalogue."""
    return "credential" if "secret_digest" in document and name.startswith("pc:") else name


def stored(name: str) -> tuple[str, dict[str, Any]]:
    document: dict[str, Any] = json.loads((GOLDEN / name).read_text())
    return name.partition(".")[0], document


async def test_every_document_says_its_version_and_there_is_a_snapshot_of_its_kind() -> None:
    async with configured() as editor:
        found = {name: json.loads(raw) for name, raw in (await documents_of(editor)).items()}
        audit = [json.loads(entry.payload) for entry in await editor.store.audit(CHAIN)]
    assert {document.get("v") for document in [*found.values(), *audit]} == {1}
    kinds = {kind_of(name, one).partition(":")[0] for name, one in found.items()}
    assert kinds == {*MODELS, *TARIFFS}
    assert {f"{kind}.v1.json" for kind in kinds} <= set(SNAPSHOTS)


def test_fields_come_one_release_after_their_reader() -> None:
    """Today's documents have the fields of the newest snapshot: a new one is left out while it is
    as usual (``younger``), or comes with a new version and a snapshot of its own."""
    for kind, model in MODELS.items():
        newest = stored(max(one for one in SNAPSHOTS if one.startswith(f"{kind}.v")))[1]
        younger = getattr(model, "younger", frozenset())
        may_be_left_out = younger | NOT_ALWAYS.get(kind, frozenset())
        assert set(model.model_fields) - set(newest) <= may_be_left_out, kind
        assert set(newest) <= set(model.model_fields), kind


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_what_was_stored_is_read(name: str) -> None:
    kind, document = stored(name)
    if kind in TARIFFS:
        tariff = tariff_from_dict(document)
        assert (tariff.id, tariff.version) == (document["id"], document["version"])
        return
    read = MODELS[kind].model_validate(document).model_dump(mode="json")
    assert {field: read[field] for field in document} == document


@pytest.mark.parametrize("name", [one for one in SNAPSHOTS if one.endswith(".v1.json")])
def test_a_newer_version_is_refused(name: str) -> None:
    kind, document = stored(name)
    newer = {**document, "v": 2}
    read: Callable[[Any], object] = (
        tariff_from_dict if kind in TARIFFS else MODELS[kind].model_validate
    )
    with pytest.raises(ValueError, match="v"):
        read(newer)


def test_a_newer_neighbour_costs_only_itself() -> None:
    """A webhook and an entry of the enrolment book that another release has written."""
    hook, code = stored("webhook.v1.json")[1], stored("code.v1.json")[1]
    newer = json.dumps({**hook, "webhook_id": "wh-2", "v": 2}).encode()
    found = subscriptions_in({"webhook:wh-2": newer, "webhook:x": json.dumps(hook).encode()})
    assert set(found) == {hook["webhook_id"]}
    book = parsed(
        {"code:2": json.dumps({**code, "v": 2}).encode(), "code:1": json.dumps(code).encode()}
    )
    assert set(book.codes) == {code["code_id"]}


@pytest.mark.parametrize(
    ("groups", "status", "lose"),
    [
        ([], 201, lambda told: told.pop("etag")),
        (["nobodys"], 422, lambda told: told["~refusal"].pop("detail")),
    ],
    ids=["done", "refused"],
)
async def test_an_answer_that_another_release_has_kept_is_no_fault_of_the_server(
    groups: list[str], status: int, lose: Callable[[dict[str, Any]], object]
) -> None:
    body = {"label": "Clara", "groups": groups}
    async with configured() as editor:
        first = await editor.ask("POST", "/players", body, key="once")
        assert first.status_code == status
        players = await editor.store.documents_by_prefix(CHAIN, "player:")
        answers = editor.store._server.chain(CHAIN).answers  # type: ignore[attr-defined]
        (name,) = (one for one in answers if one.endswith(":once"))
        told = json.loads(answers[name].reply)
        lose(told)
        answers[name] = replace(answers[name], reply=json.dumps(told).encode())
        again = await editor.ask("POST", "/players", body, key="once")
        assert code_of(again) == (409, "answer-of-another-release")
        assert await editor.store.documents_by_prefix(CHAIN, "player:") == players
