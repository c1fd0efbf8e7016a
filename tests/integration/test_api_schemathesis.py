"""The API against its own document: generated requests to a real club, no answer off the schema.

Half of the requests name things that exist, so that they get past the first door.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import schemathesis
from api_under_test import CLUB, KEY, serving
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from whole_club import whole_club

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES_PER_OPERATION = 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDLESS = "streamHall"
"""It ends when its reader does; its own tests read it."""
EXISTING = {
    "clubId": CLUB,
    "playerId": "anna",
    "pcId": "pc-1",
    "tariffId": "minute",
    "tariffIds": ["block"],
    "zoneId": "std",
}


class ServedClub:
    """A whole club and its API in a thread with a loop of its own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_raised: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive(), "the club goes on"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with whole_club() as club, serving(club.app) as address:
            self.address = address
            self._ready.set()
            await self._stop.wait()


@pytest.fixture(scope="module")
def served() -> Iterator[ServedClub]:
    with ServedClub() as club:
        yield club


@pytest.fixture(scope="module")
def existing(served: ServedClub) -> dict[str, Any]:
    """Ids that lead somewhere: the seeded ones, and those of a session that runs."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{served.address}/api/v1", headers=headers) as client:
        client.post(
            f"/clubs/{CLUB}/players/anna/wallet/top-ups",
            json={"amountMinor": 900_000},
            headers={"Idempotency-Key": "k1"},
        ).raise_for_status()
        session = client.post(
            f"/clubs/{CLUB}/sessions",
            json={"pcId": "pc-4", "tariffId": "minute", "playerId": "anna", "start": True},
            headers={"Idempotency-Key": "k2"},
        ).raise_for_status()
        webhook = client.post(
            "/webhooks", json={"url": "https://crm.example/"}, headers={"Idempotency-Key": "k3"}
        ).raise_for_status()
    return EXISTING | {
        "sessionId": session.json()["sessionId"],
        "webhookId": webhook.json()["webhookId"],
    }


DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schemathesis.openapi.from_path(DOCUMENT).get_all_operations()
}


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {ENDLESS}))
def test_no_answer_is_a_fault_or_off_the_schema(
    name: str, served: ServedClub, existing: dict[str, Any]
) -> None:
    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[name].as_strategy())
    def answered(case: Any) -> None:
        if len(str(case.path_parameters) + str(case.body)) % 2:
            case.path_parameters = _leading_somewhere(case.path_parameters, existing)
            case.body = _leading_somewhere(case.body, existing)
        response = case.call_and_validate(
            base_url=served.address, headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKS
        )
        statuses[response.status_code] += 1

    statuses: Counter[int] = Counter()
    answered()
    assert statuses
    assert 401 not in statuses


def _leading_somewhere(given: Any, existing: dict[str, Any]) -> Any:
    if not isinstance(given, dict):
        return given
    return {name: existing.get(name, value) for name, value in given.items()}
