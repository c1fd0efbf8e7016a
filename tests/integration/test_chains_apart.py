"""One chain and another: whatever is asked with the one's key, the other might not exist.

Every operation of the document is asked for what the first chain has, by everybody the second
one knows, and answers as it does for what nobody has.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import httpx
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    KEY,
    OTHER_CHAIN,
    OTHER_KEY,
    ScriptedGateway,
    dependencies,
    tariff_document,
)
from clerk_under_test import Clerk
from issuer_under_test import IssuerUnderTest
from requests_under_test import OUTAGE, VALID, Asked
from served_under_test import ServedClubs

from actors.store import ChainStream, Store
from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.api.openapi import describe
from schemas.catalogue import ClubDocument, PcDocument, PlayerDocument, ZoneDocument

pytestmark = [pytest.mark.integration, pytest.mark.slow]

APP: Final = create_app(dependencies(MemoryStore(), ScriptedGateway()))
DOCUMENT: Final = describe(APP)
OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    operation["operationId"]: (method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
NOT_OF_A_CHAIN: Final = frozenset({"/problems/{code}"})
"""Routes outside the document with something in their path: nobody's data is behind them."""
FAR: Final = {"clubId": "far-club", "zoneId": "far-zone", "pcId": "far-pc", "playerId": "far-anna"}
THERE: Final = {
    "clubId": CLUB,
    "pcId": "pc-1",
    "playerId": "anna",
    "tariffId": "minute",
    "zoneId": "std",
}
SAID_OF_THEM: Final = frozenset(
    {
        "Anna K.",
        "+49 151 555 01 01",
        "+491515550101",
        "Boris",
        "Penniless",
        "Per minute",
        "Max",
        "key:front-desk",
    }
)
NAMESAKE: Final = "key of the same name as the first chain's"
UNSEEN: Final = frozenset({403, 404})
KEYS: Final = {"key": OTHER_KEY, "namesake": NAMESAKE, "first": KEY}
CALLERS: Final = ("key", "owner", "administrator", "cashier", "player")
AUDITS: Final = frozenset({"listAudit", "listChainAudit"})
"""They have what was asked for with the second chain's keys, the first one's ids with it."""
NAMED_AFTER_ITS_CHAIN: Final = "club-id-not-of-chain"
"""What a chain is told of ids that another chain's clubs have, or might have."""
DAY_LONG: Final = tariff_document(
    "minute",
    "Per minute",
    prices=[{"name": "any", "tiers": [{"from_minutes": 0, "price_per_hour_minor": 100}]}],
    billing_step_seconds=86_400,
)
"""Nothing is billed while chains are compared."""


async def second_chain(store: Store) -> None:
    club = ClubDocument(club_id="far-club", name="Far", timezone="UTC", currency="EUR")
    zone = ZoneDocument(zone_id="far-zone", club_id="far-club", name="Hall")
    pc = PcDocument(pc_id="far-pc", club_id="far-club", zone_id="far-zone", name="Far PC")
    await store.put(
        OTHER_CHAIN,
        {
            "club:far-club": club.model_dump_json().encode(),
            "zone:far-zone": zone.model_dump_json().encode(),
            "pc:far-pc": pc.model_dump_json().encode(),
            "tariff:far-tariff:1": tariff_document("far-tariff", "Far away"),
        },
    )
    player = PlayerDocument(player_id="far-anna", label="Somebody")
    await store.add_documents(OTHER_CHAIN, {"player:far-anna": player.model_dump_json().encode()})


@dataclass
class Chains:
    """The first chain's things, and who asks for them from the second."""

    served: ServedClubs
    client: httpx.Client
    issuer: IssuerUnderTest
    asked: Mapping[str, Asked]
    keys: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    def bearer(self, caller: str) -> str:
        if caller in KEYS:
            return KEYS[caller]
        # A player of the same id as one of the first chain's, and staff of any.
        return self.issuer.token("anna", caller, chain_id=OTHER_CHAIN)

    def ask(
        self, caller: str, operation: str, asked: Asked, *, key: str | None = None
    ) -> httpx.Response:
        method, path = OPERATIONS[operation]
        headers = {
            "Authorization": f"Bearer {self.bearer(caller)}",
            "Idempotency-Key": key or f"apart-{next(self.keys)}",
        }
        if asked.version is not None:
            headers["If-Match"] = asked.version
        at = self.served.at
        address = at.judging if asked.path.get("clubId") == OUTAGE["clubId"] else at.address
        return self.client.request(
            method,
            f"{address}{path.format(**asked.path)}",
            json=asked.body,
            params=dict(asked.query),
            headers=headers,
        )

    @property
    def theirs(self) -> frozenset[str]:
        """Ids of what the first chain has."""
        ids = (one for asked in self.asked.values() for one in asked.path.values())
        return frozenset(one for one in ids if isinstance(one, str)) | frozenset(THERE.values())

    def taken(self) -> dict[str, dict[str, object]]:
        """What is to be made under an id, or a number, that the first chain has given away."""

        def held(operation: str, name: str) -> dict[str, object]:
            return {name: self.asked[operation].path[name]}

        return {
            "createClub": {"clubId": CLUB},
            "createPc": {**held("getPc", "pcId"), "zoneId": FAR["zoneId"]},
            "createPlayer": {**held("getPlayer", "playerId"), "phone": "+49 151 555 01 01"},
            "createPlayerGroup": held("getPlayerGroup", "groupId"),
            "createStaff": held("getStaff", "staffId"),
            "createTariff": held("getTariff", "tariffId"),
            "createZone": held("getZone", "zoneId"),
        }

    def first_chain(self) -> bytes:
        """Everything the store has of it."""
        return self.served.run(whole(self.served.at.club.store, CHAIN))


async def whole(store: Store, chain_id: str) -> bytes:
    image = await store.image(chain_id)
    catalogue = await store.catalogue(chain_id)
    clubs = [name.removeprefix("club:") for name in catalogue if name.startswith("club:")]
    parts = [
        image,
        sorted(catalogue.items()),
        await store.documents_by_prefix(chain_id, ""),
        [await store.stream(chain_id, name, count=100_000) for name in ChainStream],
        await store.audit(chain_id, count=100_000),
        [sorted((await store.enrolment(chain_id, club_id)).items()) for club_id in sorted(clubs)],
    ]
    return repr(parts).encode()


@pytest.fixture(scope="module")
def chains() -> Iterator[Chains]:
    issuer = IssuerUnderTest()
    more = {
        "catalogue": {"tariff:minute:1": DAY_LONG},
        "keys": [ApiKey(OTHER_CHAIN, "front-desk", digest_of(NAMESAKE))],
    }
    with ServedClubs(seed=second_chain, tokens=issuer.reader(), **more) as served:
        clerk = Clerk(served.at.address, KEY)
        asked = {operation: ask(clerk) for operation, ask in VALID.items()}
        for session in clerk.send("/sessions?status=Active&limit=200", method="GET")["sessions"]:
            clerk.send(f"/sessions/{session['sessionId']}/end")
        clerk.close()
        with httpx.Client(trust_env=False, timeout=20) as client:
            yield Chains(served, client, issuer, asked)


def of_nobody(asked: Asked, kept: Container[str]) -> Asked:
    """The same of things that nobody has, but for what is ``kept``."""

    def renamed(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: renamed(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [renamed(one, name) for one in value]
        is_id = name.endswith(("Id", "Ids")) and isinstance(value, str)
        return nobodys(value) if is_id and value not in kept else value

    return Asked(
        renamed(dict(asked.path)), renamed(asked.body), renamed(dict(asked.query)), asked.version
    )


def nobodys(value: str) -> str:
    """An id that nobody has, instead of this one."""
    return f"no-{sha256(value.encode()).hexdigest()[:16]}"


def told(answer: httpx.Response, asked: Asked) -> tuple[object, ...]:
    """An answer to the byte, with ids of nobody called as what was ``asked`` for."""
    text = answer.text
    for value in ids_in([dict(asked.path), asked.body, dict(asked.query)]):
        text = text.replace(nobodys(value), value)
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"date", "content-length"}
    }
    return answer.status_code, text, headers


def ids_in(asked: object) -> list[str]:
    if isinstance(asked, dict):
        return [one for value in asked.values() for one in ids_in(value)]
    if isinstance(asked, list):
        return [one for value in asked for one in ids_in(value)]
    return [asked] if isinstance(asked, str) else []


def says(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def assert_nothing_is_told(answer: httpx.Response, asked: Asked, chains: Chains) -> None:
    mine = {*ids_in([dict(asked.path), asked.body, dict(asked.query)]), *FAR.values()}
    for word in (chains.theirs | SAID_OF_THEM) - mine:
        assert not says(answer.text, word), word


def kept_of(caller: str) -> frozenset[str]:
    """Ids that are the caller's own: the second chain's, and a player's own."""
    return frozenset({*FAR.values(), "anna"}) if caller == "player" else frozenset(FAR.values())


def test_every_operation_of_the_document_is_asked() -> None:
    assert VALID.keys() == OPERATIONS.keys()


def test_no_route_outside_the_document_leads_to_something_of_a_chain() -> None:
    documented = {path for _, path in OPERATIONS.values()}
    paths = {getattr(route, "path", "") for route in APP.routes} - documented
    assert {path for path in paths if "{" in path} <= NOT_OF_A_CHAIN


@pytest.mark.parametrize("caller", CALLERS)
def test_what_another_chain_has_answers_as_what_nobody_has(chains: Chains, caller: str) -> None:
    before = chains.first_chain()
    for operation, asked in chains.asked.items():
        if not asked.path:
            continue
        answer = chains.ask(caller, operation, asked)
        assert answer.status_code in UNSEEN, (operation, answer.text)
        nothing = chains.ask(caller, operation, of_nobody(asked, kept_of(caller)))
        assert told(answer, asked) == told(nothing, asked), operation
        assert_nothing_is_told(answer, asked, chains)
    assert chains.first_chain() == before


@pytest.mark.parametrize("caller", CALLERS)
def test_what_another_chain_has_is_not_found_in_a_club_of_ones_own(
    chains: Chains, caller: str
) -> None:
    before = chains.first_chain()
    for operation, asked in chains.asked.items():
        in_own_club = replace(asked, path={**asked.path, "clubId": FAR["clubId"]})
        of_none = of_nobody(in_own_club, kept_of(caller))
        makes = operation in chains.taken()
        if makes or "clubId" not in asked.path or in_own_club == of_none:
            continue
        answer = chains.ask(caller, operation, in_own_club)
        assert answer.status_code in {*UNSEEN, 409, 422}, (operation, answer.text)
        nothing = chains.ask(caller, operation, of_none)
        assert told(answer, in_own_club) == told(nothing, in_own_club), operation
        assert_nothing_is_told(answer, in_own_club, chains)
    assert chains.first_chain() == before


@pytest.mark.parametrize("caller", CALLERS)
def test_lists_have_nothing_of_another_chain(chains: Chains, caller: str) -> None:
    before = chains.first_chain()
    lists = [name for name, (method, path) in OPERATIONS.items() if method == "GET"]
    for operation in lists:
        asked = chains.asked[operation]
        if operation == "streamHall" or not asked.path.keys() <= {"clubId"}:
            continue
        own = Asked({name: FAR[name] for name in asked.path}, query=asked.query)
        answer = chains.ask(caller, operation, own)
        assert answer.status_code in {200, 403}, (operation, answer.text)
        if operation in AUDITS:
            assert not [word for word in SAID_OF_THEM if says(answer.text, word)]
        else:
            assert_nothing_is_told(answer, own, chains)
    assert chains.first_chain() == before


FILTERS: Final = [
    (operation, name)
    for operation, (method, path) in OPERATIONS.items()
    for name in sorted(
        parameter["name"]
        for parameter in DOCUMENT["paths"][path][method.lower()].get("parameters", ())
        if parameter["in"] == "query" and parameter["name"].endswith("Id")
    )
]


@pytest.mark.parametrize(("operation", "name"), FILTERS)
def test_filters_by_what_another_chain_has_find_what_filters_by_nothing_find(
    chains: Chains, operation: str, name: str
) -> None:
    there = {
        **THERE,
        "sessionId": str(chains.asked["getReceipt"].path["sessionId"]),
        "groupId": str(chains.asked["getPlayerGroup"].path["groupId"]),
    }
    ids = {**{one: FAR[one] for one in ("clubId", "playerId")}, "tariffId": "far-tariff"}
    _, path = OPERATIONS[operation]
    own = {one: ids[one] for one in ids if f"{{{one}}}" in path}
    asked = Asked(own, query={**chains.asked[operation].query, name: there[name]})
    answer = chains.ask("key", operation, asked)
    if operation in AUDITS:
        assert not [word for word in SAID_OF_THEM if says(answer.text, word)]
        return
    nothing = chains.ask("key", operation, of_nobody(asked, {*FAR.values(), "far-tariff"}))
    assert told(answer, asked) == told(nothing, asked)
    assert_nothing_is_told(answer, asked, chains)


def test_ids_and_numbers_of_another_chain_are_free(chains: Chains) -> None:
    before = chains.first_chain()
    for operation, taken in chains.taken().items():
        asked = chains.asked[operation]
        own = {name: FAR[name] for name in asked.path}
        wish = {
            **asked.body,
            **taken,
            **({"zoneId": FAR["zoneId"]} if operation == "createPc" else {}),
        }
        answer = chains.ask("key", operation, replace(asked, path=own, body=wish))
        if operation == "createClub":
            assert answer.json()["code"] == NAMED_AFTER_ITS_CHAIN
            nobodys_club = {**wish, "clubId": nobodys(CLUB)}
            nothing = chains.ask("key", operation, replace(asked, path=own, body=nobodys_club))
            assert told(answer, asked) == told(nothing, asked)
        else:
            assert answer.status_code == 201, (operation, answer.text)
    assert chains.first_chain() == before


def test_an_answer_is_not_given_to_a_key_of_the_same_name_in_another_chain(
    chains: Chains,
) -> None:
    asked = Asked(body={"label": "Dora"})
    first, again, other = (
        chains.ask(caller, "createPlayer", asked, key="same")
        for caller in ("first", "first", "namesake")
    )
    assert (first.status_code, first.text) == (201, again.text)
    assert other.status_code == 201
    assert other.json()["playerId"] != first.json()["playerId"]
