"""One key, one effect, one answer, as far as the edge can see to it."""

import asyncio

import httpx
import pytest
from api_under_test import CLUB, ScriptedGateway, eventually

from controller.api.commands import (
    MAX_COMMANDS_IN_FLIGHT_PER_KEY,
    MAX_EQUAL_REQUESTS_WAITING,
    fingerprint_of,
)
from schemas.commands import CommandReply, CreateSession, ReplyStatus

TOP_UPS = f"/api/v1/clubs/{CLUB}/players/anna/wallet/top-ups"
WALLET = {"player_id": "anna", "currency": "EUR", "cash_minor": 500, "bonus_minor": 50}
DONE = CommandReply(status=ReplyStatus.OK, result={"wallet": WALLET})


async def top_up(
    client: httpx.AsyncClient, key: str = "k-1", amount_minor: int = 500
) -> httpx.Response:
    return await client.post(
        TOP_UPS, json={"amountMinor": amount_minor}, headers={"Idempotency-Key": key}
    )


async def test_twenty_equal_requests_at_once_are_one_command_and_twenty_equal_answers(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.replies = [DONE]
    gateway.gate.clear()
    waiting = [asyncio.create_task(top_up(client)) for _ in range(20)]
    await eventually(lambda: gateway.seen)
    await asyncio.sleep(0.2)
    gateway.gate.set()
    answers = await asyncio.gather(*waiting)

    assert len(gateway.seen) == 1
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json() == {
        "playerId": "anna",
        "balances": [
            {
                "cash": {"amountMinor": 500, "currency": "EUR"},
                "bonus": {"amountMinor": 50, "currency": "EUR"},
                "creditLimit": {"amountMinor": 0, "currency": "EUR"},
            }
        ],
    }


async def test_a_key_in_flight_is_not_taken_for_something_else(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.replies = [DONE]
    gateway.gate.clear()
    first = asyncio.create_task(top_up(client))
    await eventually(lambda: gateway.seen)
    other = await top_up(client, amount_minor=900)
    gateway.gate.set()

    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (await first).status_code == 201


async def test_more_equal_requests_than_may_wait_are_told_that_one_is_in_flight(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.replies = [DONE]
    gateway.gate.clear()
    count = MAX_EQUAL_REQUESTS_WAITING + 1
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        base_url=client.base_url, headers=client.headers, limits=limits, trust_env=False
    ) as wide:
        waiting = {asyncio.create_task(top_up(wide)) for _ in range(count)}
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        refused = done.pop().result()
        gateway.gate.set()
        answers = await asyncio.gather(*waiting)

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency-key-in-flight")
    assert refused.headers["retry-after"] == "1"
    assert sorted({answer.status_code for answer in answers}) == [201, 409]
    assert len(gateway.seen) == 1


async def test_too_many_different_commands_of_one_key_are_slowed_down(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.gate.clear()
    count = MAX_COMMANDS_IN_FLIGHT_PER_KEY + 1
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        base_url=client.base_url, headers=client.headers, limits=limits, trust_env=False
    ) as wide:
        waiting = {asyncio.create_task(top_up(wide, key=f"k-{n}")) for n in range(count)}
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        refused = done.pop().result()
        gateway.gate.set()
        await asyncio.gather(*waiting)

    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    assert refused.headers["retry-after"] == "1"


async def test_a_busy_owner_is_a_503_with_a_hint_when_to_return(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.replies = [CommandReply(status=ReplyStatus.NOT_OWNER)]
    answer = await top_up(client)

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "1"


async def test_a_caller_that_hangs_up_does_not_take_the_command_down(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.replies = [DONE]
    gateway.gate.clear()
    hasty = asyncio.create_task(top_up(client))
    await eventually(lambda: gateway.seen)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    again = asyncio.create_task(top_up(client))
    await asyncio.sleep(0.1)
    gateway.gate.set()

    assert (await again).status_code == 201
    assert len(gateway.seen) == 1


async def test_the_command_travels_with_its_key_its_content_and_its_speaker(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    body = {
        "pcId": "pc-1",
        "tariffId": "minute",
        "guestLabel": "Max",
        "plannedStartAt": "2026-06-01T18:00:00+02:00",
        "payment": {"amountMinor": 700, "means": "card"},
    }
    await client.post(
        f"/api/v1/clubs/{CLUB}/sessions", json=body, headers={"Idempotency-Key": "k-9"}
    )
    (envelope,) = gateway.seen

    assert envelope.chain_id == "chain-a"
    assert envelope.club_id == CLUB
    assert envelope.idempotency_key == "api:key:front-desk:k-9"
    assert envelope.principal == "key:front-desk"
    command = envelope.command
    assert isinstance(command, CreateSession)
    assert command.session_id == "ses-1"
    assert command.planned_start_at_ms == 1_780_329_600_000
    assert (command.paid_minor, command.means) == (700, "card")


def test_a_fingerprint_ignores_the_order_of_fields_and_nothing_else() -> None:
    asked = fingerprint_of("topUpWallet", ["club", {"a": 1, "b": 2}])

    assert asked == fingerprint_of("topUpWallet", ["club", {"b": 2, "a": 1}])
    assert asked != fingerprint_of("topUpWallet", ["club", {"a": 1, "b": 3}])
    assert asked != fingerprint_of("endSession", ["club", {"a": 1, "b": 2}])
