"""Hosts of two releases on one store: what one writes and the other cannot read is left alone."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, make_dataclass
from dataclasses import field as made_field
from typing import Any, get_type_hints

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from outages_under_test import books_agree
from shapes import FILE, KINDS, shapes
from shard_under_test import ShardUnderTest
from stored_shapes import GOLDEN

from actors.shard_contents import read_shard
from actors.store import StoredEntity
from actors.store_memory import MemoryStore
from billing_core import stored
from billing_core.session import STATE_VERSION, SessionState
from billing_core.stored import StoredKind, StoredValueError, from_plain
from schemas.commands import CreateSession, EndSession, ReplyStatus, TopUpWallet

GOLDEN_OF = {"session": "session.v2", "pc": "pc.v1", "ended": "ended.v2"}
NEWEST = {"session": 2, "pc": 1, "club": 1, "ended": 2}
PREFIXES = {"session": "session:", "pc": "pc:", "club": "club:", "ended": "ended:"}


def golden(kind: str) -> dict[str, Any]:
    if kind == "club":
        return {"club_id": "north", "event_seq": 3, "v": 1}
    document: dict[str, Any] = json.loads((GOLDEN / f"{GOLDEN_OF[kind]}.json").read_text())
    return document


def test_a_shape_changes_only_together_with_its_version() -> None:
    """Whoever changes one raises ``v``, gives the step from the version before, and writes the
    file anew: ``python tests/actors/shapes.py`` (with ``tests`` and ``tests/actors`` in the path).
    """
    before, now = json.loads(FILE.read_text()), shapes()
    assert before.keys() == now.keys()
    for kind, (_, readable) in KINDS.items():
        if before[kind]["fields"] != now[kind]["fields"]:
            assert now[kind]["v"] == before[kind]["v"] + 1, kind
            assert before[kind]["v"] in readable.upgrades, kind
    assert before == now


@pytest.mark.parametrize("kind", PREFIXES)
def test_every_kind_of_entity_refuses_what_is_newer(kind: str) -> None:
    newest = NEWEST[kind]
    changes = ({"v": newest + 1}, {"v": 99}, {"v": "1"}, {"only_the_next_release_knows": 1})
    for change in changes:
        blob = orjson.dumps({**golden(kind), **change})
        entity = StoredEntity(f"{PREFIXES[kind]}x", 3, blob)
        assert read_shard([entity]).unreadable.keys() == {entity.key}, change
    sound = StoredEntity(f"{PREFIXES[kind]}x", 3, orjson.dumps(golden(kind)))
    assert read_shard([sound]).unreadable == {}


def without(name: str) -> type:
    """The session of a release that does not have a field yet."""
    hints = get_type_hints(SessionState)
    return make_dataclass(
        "OlderSession",
        [(one.name, hints[one.name], _same_default(one)) for one in _others(name)],
        frozen=True,
    )


def _others(name: str) -> list[Field[Any]]:
    return [one for one in fields(SessionState) if one.name != name]


def _same_default(one: Field[Any]) -> Any:
    return made_field() if one.default is MISSING else made_field(default=one.default)


@pytest.mark.parametrize("name", [one.name for one in fields(SessionState)])
def test_a_reader_with_one_field_fewer_drops_none_of_them(name: str) -> None:
    """For every field: a release that does not know it refuses the document, naming the field."""
    usual = {one.name: one.default for one in fields(SessionState) if one.default is not MISSING}
    document = {**usual, **golden("session")}
    with pytest.raises(StoredValueError, match=f"{name}: unknown field"):
        from_plain(without(name), document)


async def two_play() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    rig = await ShardUnderTest(store).take("old")
    await rig.beat()
    for number, name in enumerate(("ann", "bob")):
        await rig.command(TopUpWallet(player_id=name, amount_minor=900_00))
        sits = CreateSession(
            session_id=f"s{number}",
            pc_id=f"north-main-{number}",
            player_id=name,
            tariff_id="standard",
            start=True,
        )
        assert (await rig.command(sits)).status is ReplyStatus.OK
    await rig.wait(minutes=2)
    return rig


def shard_of(rig: ShardUnderTest) -> dict[str, StoredEntity]:
    return rig.store._server.chain(CHAIN).shards[rig.runtime.ownership.shard.number]


async def test_an_old_host_bills_what_an_old_host_wrote_beside_what_it_cannot_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ann's session was written by the new release, with a field the old one does not know."""
    rig = await two_play()
    older, shard = without("order_id"), shard_of(rig)
    bob = orjson.loads(shard["session:s1"].blob)
    del bob["order_id"]
    by_old_host = StoredEntity("session:s1", shard["session:s1"].version, orjson.dumps(bob))
    shard["session:s1"], by_new_host = by_old_host, shard["session:s0"]

    def read_by_old_release(document: Mapping[str, Any]) -> SessionState:
        from_plain(older, document)
        return from_plain(SessionState, document)

    with monkeypatch.context() as patch:
        patch.setattr("actors.shard_contents.session_from_dict", read_by_old_release)
        await rig.take("old")
        assert set(rig.runtime.quarantine.parked) == {"session:s0"}
        await rig.wait(minutes=10)
        assert await wallet_of(rig.store, "bob") == (900_00 - 12 * 2_00, 0)
        assert shard["session:s0"] is by_new_host
    await rig.take("new")
    await rig.wait(minutes=1)
    assert rig.runtime.quarantine.parked == {}
    assert await wallet_of(rig.store, "ann") == await wallet_of(rig.store, "bob")
    await books_agree(rig.store)


def next_release(patch: pytest.MonkeyPatch) -> None:
    """A release whose sessions are of the next version: it labels guests, and the step labels
    those of this one."""

    def label(document: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**document, "guest_label": document["guest_label"] or "walk-in"}

    following = StoredKind(STATE_VERSION + 1, {STATE_VERSION: label})
    patch.setattr(stored, "SESSION", following)
    patch.setattr("actors.shard_contents.SESSION", following)
    defaults = SessionState.__init__.__defaults__
    assert defaults is not None
    patch.setattr(SessionState.__init__, "__defaults__", (*defaults[:-1], STATE_VERSION + 1))


async def test_a_change_of_shape_rolls_out_and_is_taken_back_without_a_wrong_minute() -> None:
    rig = await two_play()
    guest = CreateSession(
        session_id="g",
        pc_id="north-vip-0",
        tariff_id="standard",
        paid_minor=300_00,
        start=True,
    )
    assert (await rig.command(guest)).status is ReplyStatus.OK
    shard, started_ms = shard_of(rig), rig.now.wall_ms
    assert orjson.loads(shard["session:g"].blob)["v"] == STATE_VERSION
    with pytest.MonkeyPatch.context() as patch:
        next_release(patch)
        await rig.take("new")
        await rig.wait(minutes=3)
        upgraded = orjson.loads(shard["session:g"].blob)
        assert (upgraded["v"], upgraded["guest_label"]) == (STATE_VERSION + 1, "walk-in")
    await rig.take("old")
    left = {key: shard[key] for key in ("session:g", "session:s0", "session:s1")}
    assert rig.runtime.quarantine.parked.keys() == left.keys()
    assert (await rig.command(EndSession(session_id="g"))).code == "quarantined"
    await rig.wait(minutes=4)
    assert {key: shard[key] for key in left} == left
    with pytest.MonkeyPatch.context() as patch:
        next_release(patch)
        await rig.take("new")
        await rig.wait(minutes=1)
        minutes = (rig.now.wall_ms - started_ms) // 60_000
        assert rig.runtime.quarantine.parked == {}
        assert await wallet_of(rig.store, "ann") == (900_00 - (2 + minutes) * 2_00, 0)
        assert (await rig.command(EndSession(session_id="g"))).status is ReplyStatus.OK
        await books_agree(rig.store)
