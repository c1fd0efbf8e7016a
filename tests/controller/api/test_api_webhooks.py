"""Subscriptions over HTTP: safe to retry, kept apart by chain, secret but once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import CHAIN, CLUB, OTHER_KEY, client_of, dependencies
from receivers_under_test import put_subscription

from actors.store_memory import MemoryStore
from controller.api.auth import KeyRing
from controller.webhooks.subscriptions import subscriptions_of

URL = "https://crm.example/hook"
WEBHOOKS = "/api/v1/webhooks"


async def posted(
    client: httpx.AsyncClient, path: str, body: Mapping[str, object] | None = None, key: str = "k1"
) -> httpx.Response:
    return await client.post(f"{WEBHOOKS}{path}", json=body, headers={"Idempotency-Key": key})


def headers_of(key: str, etag: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} | ({} if etag is None else {"If-Match": etag})


async def deleted(
    client: httpx.AsyncClient, webhook_id: str, key: str, *, etag: str | None = "*"
) -> httpx.Response:
    return await client.delete(f"{WEBHOOKS}/{webhook_id}", headers=headers_of(key, etag))


async def patched(
    client: httpx.AsyncClient,
    webhook_id: str,
    body: dict[str, object],
    key: str,
    *,
    etag: str | None = "*",
) -> httpx.Response:
    headers = headers_of(key, etag)
    return await client.patch(f"{WEBHOOKS}/{webhook_id}", json=body, headers=headers)


async def created(client: httpx.AsyncClient, key: str = "k1", **changes: object) -> dict[str, Any]:
    response = await posted(client, "", {"url": URL, **changes}, key)
    assert response.status_code == 201, response.text
    decoded: dict[str, Any] = response.json()
    return decoded


async def test_a_retry_finds_what_the_first_request_made(client: httpx.AsyncClient) -> None:
    first = await created(client, events=["session_ended", "session_created"])
    assert await created(client, events=["session_created", "session_ended"]) == first
    assert first["secret"].startswith("whsec_")
    assert (await created(client, "k2"))["webhookId"] != first["webhookId"]
    other = await posted(client, "", {"url": "https://crm.example/other"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_secrets_are_shown_once(client: httpx.AsyncClient) -> None:
    made = await created(client)
    del made["secret"]
    assert (await client.get(WEBHOOKS)).json() == {"webhooks": [made], "nextCursor": None}


async def test_one_is_read_with_the_version_that_changes_it(client: httpx.AsyncClient) -> None:
    webhook_id = (await created(client))["webhookId"]
    path = f"{WEBHOOKS}/{webhook_id}"
    shown = await client.get(path)
    read = shown.json()
    assert shown.headers["etag"] == read["etag"]
    assert (await client.get(WEBHOOKS)).json()["webhooks"] == [read]
    for keyless in (
        await patched(client, webhook_id, {"events": []}, "p0", etag=None),
        await deleted(client, webhook_id, "d0", etag=None),
    ):
        assert (keyless.status_code, keyless.json()["code"]) == (428, "if-match-missing")
    first = {"events": ["refund"]}
    changed = await patched(client, webhook_id, first, "p1", etag=read["etag"])
    assert changed.headers["etag"] == changed.json()["etag"] != read["etag"]
    for late in (
        await patched(client, webhook_id, {"events": []}, "p2", etag=read["etag"]),
        await deleted(client, webhook_id, "d1", etag=read["etag"]),
    ):
        assert (late.status_code, late.json()["code"]) == (412, "etag-changed")
    off = await posted(client, f"/{webhook_id}/disable", key="off")
    same = await patched(client, webhook_id, first, "p3", etag=off.json()["etag"])
    assert (await client.get(path)).json() == same.json() == off.json()
    gone = await deleted(client, webhook_id, "d2", etag=off.headers["etag"])
    assert gone.json() == off.json()
    nothing = await client.get(path)
    assert (nothing.status_code, nothing.json()["code"]) == (404, "webhook-not-found")


async def test_off_and_on_again(client: httpx.AsyncClient) -> None:
    webhook_id = (await created(client))["webhookId"]
    off = (await posted(client, f"/{webhook_id}/disable", key="off")).json()
    assert (off["enabled"], off["disabledReason"]) == (False, "by-hand")
    on = (await posted(client, f"/{webhook_id}/enable", key="on")).json()
    assert (on["enabled"], on["disabledReason"]) == (True, None)
    again = (await posted(client, f"/{webhook_id}/disable", key="off")).json()
    assert again == off, "the first answer, whatever has become of it"
    other = await posted(client, f"/{webhook_id}/enable", key="off")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (await client.get(WEBHOOKS)).json()["webhooks"] == [on]


async def test_each_change_is_in_the_audit_without_its_secret(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    made = await created(client)
    webhook_id = made["webhookId"]
    for action in ("disable", "enable", "rotate-secret"):
        await posted(client, f"/{webhook_id}/{action}", key=action)
    await patched(client, webhook_id, {"url": f"{URL}/2", "events": []}, "change")
    await posted(client, "/wh-none/enable", key="none")
    await deleted(client, webhook_id, "delete")
    entries = [orjson.loads(entry.payload) for entry in await store.audit(CHAIN)]
    told = [(one["operation"], one["result"], one["code"]) for one in reversed(entries)]
    assert told == [
        ("createWebhook", "ok", None),
        ("disableWebhook", "ok", None),
        ("enableWebhook", "ok", None),
        ("rotateWebhookSecret", "ok", None),
        ("updateWebhook", "ok", None),
        ("enableWebhook", "rejected", "webhook-not-found"),
        ("deleteWebhook", "ok", None),
    ]
    assert not any("whsec_" in one["asked"] or "/hook" in one["asked"] for one in entries)


async def test_a_subscription_its_receiver_ended_stays_so_when_disabled(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    webhook_id = (await created(client))["webhookId"]
    one = (await subscriptions_of(store, CHAIN))[webhook_id]
    await put_subscription(store, CHAIN, one.with_reason("gone"))
    assert (await posted(client, f"/{webhook_id}/disable", key="off")).json()[
        "disabledReason"
    ] == "gone"


async def test_a_rotated_secret_leaves_the_old_one_a_day(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    made = await created(client)
    path = f"/{made['webhookId']}/rotate-secret"
    rotated = (await posted(client, path, key="r1")).json()
    assert rotated["secret"] != made["secret"]
    assert (await posted(client, path, key="r1")).json() == rotated
    one = (await subscriptions_of(store, CHAIN))[made["webhookId"]]
    until_ms = one.secrets[1].until_ms
    assert until_ms is not None
    assert one.secrets_at(until_ms - 1) == (rotated["secret"], made["secret"])
    assert one.secrets_at(until_ms) == (rotated["secret"],)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "http://crm.example/hook"}, 422, "webhook-url-refused"),
        ({"url": "https://10.0.0.1/hook"}, 422, "webhook-url-refused"),
        ({"url": URL, "events": ["session_vanished"]}, 422, "invalid-request"),
        ({"url": ""}, 422, "invalid-request"),
        ({}, 422, "invalid-request"),
    ],
)
async def test_refused(
    client: httpx.AsyncClient, body: dict[str, object], status: int, code: str
) -> None:
    response = await posted(client, "", body)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_key_is_needed(client: httpx.AsyncClient) -> None:
    response = await client.post(WEBHOOKS, json={"url": URL})
    assert response.json()["code"] == "idempotency-key-missing"


async def test_there_is_an_end_to_them(client: httpx.AsyncClient) -> None:
    for number in range(32):
        await created(client, f"n{number}")
    refused = await posted(client, "", {"url": URL}, "one-more")
    assert refused.json()["code"] == "too-many-webhooks"
    last = (await client.get(WEBHOOKS)).json()["webhooks"][-1]
    assert (await deleted(client, last["webhookId"], "away")).status_code == 200
    await created(client, "one-more-after-all")


async def test_a_deleted_one_is_told_as_it_was_and_is_no_more(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    made, other = await created(client), await created(client, "k2")
    answer = await deleted(client, made["webhookId"], "away")
    assert answer.status_code == 200
    assert answer.json() == {name: made[name] for name in made if name != "secret"}
    assert list(await subscriptions_of(store, CHAIN)) == [other["webhookId"]]
    again = await deleted(client, made["webhookId"], "away")
    assert (again.status_code, again.json()) == (200, answer.json()), "the first answer"
    refused = await deleted(client, made["webhookId"], "once-more")
    assert (refused.status_code, refused.json()["code"]) == (404, "webhook-not-found")
    reused = await deleted(client, other["webhookId"], "away")
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")
    keyless = await client.delete(f"{WEBHOOKS}/{other['webhookId']}")
    assert keyless.json()["code"] == "idempotency-key-missing"
    assert list(await subscriptions_of(store, CHAIN)) == [other["webhookId"]]


async def test_a_subscription_is_sent_elsewhere_and_keeps_its_secret(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    made = await created(client)
    changed = await patched(client, made["webhookId"], {"url": f"{URL}/2"}, "c1")
    wanted = {name: value for name, value in made.items() if name != "secret"}
    assert changed.json() == wanted | {"url": f"{URL}/2", "etag": changed.headers["etag"]}
    fewer = (await patched(client, made["webhookId"], {"events": ["refund"]}, "c2")).json()
    assert fewer == changed.json() | {"events": ["refund"], "etag": fewer["etag"]}
    again = await patched(client, made["webhookId"], {"url": f"{URL}/2"}, "c1")
    assert again.json() == changed.json(), "the first answer"
    one = (await subscriptions_of(store, CHAIN))[made["webhookId"]]
    assert (one.url, one.events, one.secrets[0].text) == (f"{URL}/2", ("refund",), made["secret"])
    assert (await created(client)) == made, "the key that made it still tells what was made"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://10.0.0.1/hook"}, "webhook-url-refused"),
        ({"url": ""}, "invalid-request"),
        ({"events": ["session_vanished"]}, "invalid-request"),
        ({"secret": "whsec_mine"}, "invalid-request"),
    ],
)
async def test_a_change_that_is_refused_changes_nothing(
    client: httpx.AsyncClient, store: MemoryStore, body: dict[str, object], code: str
) -> None:
    webhook_id = (await created(client))["webhookId"]
    before = await subscriptions_of(store, CHAIN)
    refused = await patched(client, webhook_id, body, "c1")
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await subscriptions_of(store, CHAIN) == before


async def test_another_chain_sees_and_changes_nothing(
    client: httpx.AsyncClient, store: MemoryStore, gateway: Any
) -> None:
    webhook_id = (await created(client))["webhookId"]
    async with client_of(dependencies(store, gateway), OTHER_KEY) as other:
        assert (await other.get(WEBHOOKS)).json() == {"webhooks": [], "nextCursor": None}
        theirs = await other.get(f"{WEBHOOKS}/{webhook_id}")
        assert (theirs.status_code, theirs.json()["code"]) == (404, "webhook-not-found")
        for action in ("disable", "enable", "rotate-secret"):
            refused = await posted(other, f"/{webhook_id}/{action}", key=action)
            assert refused.json()["code"] == "webhook-not-found"
        refused = await patched(other, webhook_id, {"events": []}, "change")
        assert refused.json()["code"] == "webhook-not-found"
        refused = await deleted(other, webhook_id, "delete")
        assert refused.json()["code"] == "webhook-not-found"
        assert (await created(other))["webhookId"] != webhook_id


async def test_who_sees_one_club_only_may_not_hear_of_all(
    client: httpx.AsyncClient, store: MemoryStore, gateway: Any
) -> None:
    webhook_id = (await created(client))["webhookId"]
    given = dependencies(store, gateway)
    (key, *_) = given.gate.ring._keys
    limited = replace(key, club_ids=frozenset({CLUB}))
    ring = KeyRing([limited])
    gate = replace(given.gate, ring=ring)
    async with client_of(replace(given, gate=gate)) as one_club:
        for path in (WEBHOOKS, f"{WEBHOOKS}/{webhook_id}"):
            assert (await one_club.get(path)).json()["code"] == "forbidden"
        refused = [
            await posted(one_club, "", {"url": URL}, "new"),
            await posted(one_club, f"/{webhook_id}/rotate-secret"),
            await patched(one_club, webhook_id, {"events": []}, "change"),
            await deleted(one_club, webhook_id, "delete"),
        ]
        assert [one.json()["code"] for one in refused] == ["forbidden"] * 4
