"""What is committed is what is served; every refusal the domain knows has its problem."""

import re
from pathlib import Path

import httpx
import pytest
from api_under_test import ScriptedGateway, dependencies

from actors.store_memory import MemoryStore
from billing_core.rejection import RejectionCode
from controller.api.app import create_app
from controller.api.openapi import committed_form, describe
from controller.api.problem_table import PROBLEMS
from controller.web.labels import labels
from schemas.views import LinkState, UseState

ROOT = Path(__file__).parents[3]
OPERATIONS = {
    "approveEnrolment",
    "createEnrolmentCode",
    "getQuarantine",
    "listPcCredentials",
    "rejectEnrolment",
    "revokePc",
    "rotatePcSecret",
    "cancelSession",
    "listOrders",
    "listSessions",
    "convertGuest",
    "createOrder",
    "createSession",
    "endSession",
    "extendSession",
    "findPlayers",
    "getClub",
    "getHall",
    "getOrder",
    "getReceipt",
    "getSession",
    "getWallet",
    "commandPc",
    "holdPc",
    "listAudit",
    "listClubs",
    "listPlayerTariffs",
    "payOrder",
    "refundOrder",
    "approveOutage",
    "listOutages",
    "rejectOutage",
    "releasePc",
    "startSession",
    "streamHall",
    "switchSessionDevice",
    "topUpWallet",
    "createWebhook",
    "deleteWebhook",
    "disableWebhook",
    "enableWebhook",
    "getWebhook",
    "listWebhooks",
    "rotateWebhookSecret",
    "updateWebhook",
    "checkTariff",
    "createApiKey",
    "createClub",
    "createPc",
    "createPlayer",
    "createPlayerGroup",
    "createStaff",
    "createTariff",
    "createZone",
    "deletePlayerGroup",
    "deleteZone",
    "discardTariffDraft",
    "getChain",
    "getClubSettings",
    "getPc",
    "getPcMachine",
    "getPlayer",
    "getPlayerGroup",
    "getStaff",
    "getTariff",
    "getTariffDraft",
    "getZone",
    "listApiKeys",
    "listChainAudit",
    "listPcs",
    "listPlayerGroups",
    "listStaff",
    "listTariffVersions",
    "listTariffs",
    "listZones",
    "publishTariff",
    "putTariffDraft",
    "quoteTariff",
    "revokeApiKey",
    "updateChain",
    "updateClubSettings",
    "updatePc",
    "updatePlayer",
    "updatePlayerGroup",
    "updateStaff",
    "updateTariff",
    "updateZone",
}


def test_the_committed_openapi_document_is_the_one_that_is_served() -> None:
    """Regenerate it with ``python -m controller.api.export docs/openapi.json``."""
    app = create_app(dependencies(MemoryStore(), ScriptedGateway()))

    assert (ROOT / "docs" / "openapi.json").read_bytes() == committed_form(app)


def test_the_committed_list_of_problems_is_the_table() -> None:
    """Regenerate it with ``python -m controller.api.export docs/problems.md``."""
    from controller.api.export import problems_markdown

    assert (ROOT / "docs" / "problems.md").read_text() == problems_markdown()


def test_operations_are_named_as_the_product_names_them() -> None:
    document = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))
    operations = [each for path in document["paths"].values() for each in path.values()]

    assert {operation["operationId"] for operation in operations} == OPERATIONS
    for operation in operations:
        assert operation["description"]
        assert "401" in operation["responses"]


def test_changing_operations_say_that_they_need_a_key_of_their_own() -> None:
    document = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))
    for path in document["paths"].values():
        for method, operation in path.items():
            keys = [
                parameter["required"]
                for parameter in operation.get("parameters", [])
                if parameter["name"] == "Idempotency-Key"
            ]
            assert keys == ([] if method == "get" else [True])


def test_fields_are_in_camel_case_and_money_is_an_integer() -> None:
    schemas = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))["components"]
    for name, schema in schemas["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            assert re.fullmatch(r"[a-z][a-zA-Z0-9]*", field), f"{name}.{field}"
            assert not field.endswith("Ms"), f"{name}.{field}"
            if field.endswith("Minor"):
                assert kind.get("anyOf", [kind])[0]["type"] == "integer"


@pytest.mark.parametrize("code", list(RejectionCode))
def test_every_refusal_of_the_billing_core_is_a_registered_problem(code: RejectionCode) -> None:
    assert code.value in PROBLEMS


def test_every_refusal_an_actor_writes_is_a_registered_problem() -> None:
    sources = "".join(path.read_text() for path in sorted((ROOT / "actors").glob("*.py")))
    codes = set(re.findall(r'Refusal\(\s*"([a-z-]+)"', sources))

    assert codes
    assert codes <= set(PROBLEMS)


def test_every_state_has_its_words_on_the_page() -> None:
    words = labels("en")

    assert set(words["link"]) == {state.value for state in LinkState}
    assert set(words["use"]) == {state.value for state in UseState}


async def test_the_document_is_served_without_a_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/openapi.json", headers={"Authorization": ""})

    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.")
