"""What is done at a terminal of the installation stands in the audit of the chains it concerns."""

import asyncio
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import pytest
from receivers_under_test import put_subscription
from terminal_under_test import run, told_of_a_store

from actors.clock import SteadyClock, ThisMachine
from actors.store import HostRecord, StoreUnavailableError
from actors.store_redis import RedisStore
from actors.timekeeping import Timekeeper
from controller.terminal_audit import Terminal
from schemas.webhooks import WebhookDocument, WebhookSecret

pytestmark = pytest.mark.integration

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "club.toml"
BOOT: Final = "boot-a"
WEBHOOK: Final = WebhookDocument(
    webhook_id="w1",
    url="https://example.com/hook",
    events=(),
    secrets=(WebhookSecret(text="whsec_" + "a" * 32),),
    created_at_ms=1,
)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store with two chains and one club, two hosts and a webhook."""
    with told_of_a_store(tmp_path, monkeypatch) as address:
        run("chain", "create", "orbit", "--name", "Orbit")
        run("chain", "create", "comet", "--name", "Comet")
        run("import", str(EXAMPLE))
        asyncio.run(peopled(address))
        yield address


async def peopled(url: str) -> None:
    store = RedisStore.open(url)
    for name in ("host-0", "host-1"):
        await store.beat(HostRecord(name, f"{name}/1"), ttl_ms=600_000)
    machine = ThisMachine()
    await Timekeeper(store, machine, BOOT).begin(SteadyClock(machine))
    await put_subscription(store, "orbit", WEBHOOK)
    await store.close()


def audit(url: str, chain_id: str) -> list[dict[str, str]]:
    """The chain's audit, oldest first."""

    async def look() -> list[dict[str, str]]:
        store = RedisStore.open(url)
        entries = await store.audit(chain_id, count=500)
        await store.close()
        return [orjson.loads(one.payload) for one in reversed(entries)]

    return asyncio.run(look())


def test_whoever_works_at_a_terminal_is_named_with_what_they_did(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    run("pcs", "enrol", "--club", "orbit-east")
    run("webhooks", "replay", "w1")
    run("drain", "host-0")
    run("drain", "host-0", "--undo")
    run("clock", "--adopt", BOOT)
    mine, others = audit(url, "orbit"), audit(url, "comet")
    assert [one["operation"] for one in mine] == [
        "createChain",
        "importClub",
        "create_enrolment_code",
        "replayWebhook",
        "drainHost",
        "undrainHost",
        "adoptCalendar",
    ]
    assert [one["operation"] for one in others] == [
        "createChain",
        "drainHost",
        "undrainHost",
        "adoptCalendar",
    ]
    for one in (*mine, *others):
        who = (one["principal"], one["channel"], one["origin"])
        assert who == (f"cli:{pwd.getpwuid(os.getuid()).pw_name}", "cli", socket.gethostname())
    asked = {one["operation"]: orjson.loads(one["asked"]) for one in mine}
    assert asked["drainHost"] == {"host": "host-0"}
    assert asked["adoptCalendar"] == {"boot": BOOT}
    assert asked["replayWebhook"] == {"webhook_id": "w1"}
    assert set(asked["createChain"]) == {"chain_id", "name", "key_id"}


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    assert Terminal.here().principal == "cli:uid-54321"


def test_a_chain_that_was_made_halfway_can_be_made_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the chain is named, it has left nothing in the way."""

    async def dies(*_: object) -> None:
        raise StoreUnavailableError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(RedisStore, "put", dies)
        run("chain", "create", "nova", "--name", "Nova", code=2)
    key = run("chain", "create", "nova", "--name", "Nova").strip()
    assert key.startswith("clubctl~nova")
    assert "createChain" in {one["operation"] for one in audit(url, "nova")}


def test_what_is_refused_or_only_read_is_not_in_the_audit(url: str) -> None:
    before = audit(url, "orbit")
    run("chain", "create", "orbit", "--name", "Again", code=1)
    run("import", str(EXAMPLE), "--dry-run")
    run("import", str(EXAMPLE))
    run("export", "--club", "orbit-east")
    run("drain", "host-9", code=2)
    run("clock", "--adopt", "boot-z", code=2)
    run("clock")
    run("webhooks", "list")
    assert audit(url, "orbit") == before
