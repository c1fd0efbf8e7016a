"""One exposition out of many: this process and every host, each series once."""

from collections import Counter as Count
from dataclasses import replace

import httpx
import pytest
from api_under_test import ScriptedGateway, client_of, dependencies
from prometheus_client.parser import text_string_to_metric_families

from actors.store import StoreUnavailableError
from actors.store_memory import MemoryStore
from actors.telemetry import Telemetry
from controller.metrics import HttpMetrics, exposition

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series_of(text: str) -> Series:
    """Every sample by name and labels; fails on a family or a series told twice."""
    families = list(text_string_to_metric_families(text))
    names = Count(family.name for family in families)
    assert not [name for name, times in names.items() if times > 1]
    samples = [sample for family in families for sample in family.samples]
    found = {(each.name, frozenset(each.labels.items())): each.value for each in samples}
    assert len(found) == len(samples)
    return found


def host_text(*, ticks: int, pcs: dict[tuple[str, str, str, str], int], shards: int) -> bytes:
    telemetry = Telemetry()
    telemetry.ticks.labels("billed").inc(ticks)
    telemetry.tick_lateness.observe(0.02)
    telemetry.set_population(pcs, {})
    telemetry.shards.set(shards)
    return telemetry.exposition()


async def test_hosts_are_told_apart_and_clubs_are_counted_once(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    online = ("club-1", "std", "ONLINE", "FREE")
    first = host_text(ticks=3, pcs={online: 7}, shards=2)
    second = host_text(ticks=5, pcs={online: 4, ("club-2", *online[1:]): 9}, shards=1)
    await store.put_snapshot("metrics:h0", first, ttl_ms=None)
    await store.put_snapshot("metrics:h1", second, ttl_ms=None)
    response = await client.get("/metrics", headers={"Authorization": ""})
    found = series_of(response.text)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert response.headers["content-type"].startswith("text/plain")
    assert value("clubctl_billing_ticks_total", result="billed", host="h0") == 3
    assert value("clubctl_billing_ticks_total", result="billed", host="h1") == 5
    assert value("clubctl_tick_lateness_seconds_count", host="h1") == 1
    assert value("clubctl_shards_owned", host="h0") == 2
    where = {"zone": "std", "link": "ONLINE", "use": "FREE"}
    assert value("clubctl_pcs", club="club-1", **where) == 7
    assert value("clubctl_pcs", club="club-2", **where) == 9
    assert value("clubctl_store_up") == 1


async def test_requests_are_counted_by_route_and_never_by_id(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    for session_id in ("one", "two"):
        await client.get(f"/api/v1/sessions/{session_id}")
    await client.get("/nowhere/at/all")
    await client.get("/static/hall.js")
    text = (await client.get("/metrics")).text
    found = series_of(text)
    route = {"method": "GET", "route": "/api/v1/sessions/{sessionId}"}

    assert found["clubctl_http_requests_total", frozenset({**route, "status": "404"}.items())] == 2
    assert found["clubctl_http_request_seconds_count", frozenset(route.items())] == 2
    assert 'route="/static/"' in text
    assert 'route="unmatched"' in text
    assert "_created" not in text
    assert "one" not in {value for _, labels in found for _, value in labels}


@pytest.mark.parametrize("rubbish", [b"{not metrics", b"\xff\xfe", b"a b c d\n"])
async def test_a_host_that_leaves_rubbish_is_counted_and_left_out(rubbish: bytes) -> None:
    store, http = MemoryStore(), HttpMetrics()
    await store.put_snapshot("metrics:h0", rubbish, ttl_ms=None)
    await store.put_snapshot("metrics:h1", host_text(ticks=1, pcs={}, shards=1), ttl_ms=None)
    await exposition(http, store)
    found = series_of((await exposition(http, store)).decode())

    assert found["clubctl_shards_owned", frozenset({("host", "h1")})] == 1
    assert found["clubctl_metrics_unreadable_snapshots_total", frozenset()] >= 1
    assert ("clubctl_shards_owned", frozenset({("host", "h0")})) not in found


async def test_metrics_can_be_left_out(store: MemoryStore) -> None:
    given = replace(dependencies(store, ScriptedGateway()), serves_metrics=False)
    async with client_of(given) as client:
        assert (await client.get("/metrics")).status_code == 404


class LostStore(MemoryStore):
    """A store whose server went away."""

    async def snapshots(self, prefix: str) -> dict[str, bytes]:
        raise StoreUnavailableError(prefix)


async def test_a_lost_store_is_a_figure_and_not_a_failed_scrape() -> None:
    found = series_of((await exposition(HttpMetrics(), LostStore())).decode())

    assert found["clubctl_store_up", frozenset()] == 0
