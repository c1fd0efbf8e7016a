"""The typed client: what the document says, against a real club, over a line that loses answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from api_under_test import CLUB, KEY, serving
from whole_club import whole_club

from controller.client import (
    CLEAR,
    ClubctlClient,
    NoAnswerError,
    ProblemError,
    every_page,
    generate,
    open_http,
)
from controller.client.transport import ATTEMPTS_MAX

pytestmark = pytest.mark.integration


class LossyLine(httpx.AsyncBaseTransport):
    """Every second answer is lost after the server has given it."""

    def __init__(self) -> None:
        self._line = httpx.AsyncHTTPTransport()
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        response = await self._line.handle_async_request(request)
        if self.requests % 2:
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("the answer was lost")
        return response

    async def aclose(self) -> None:
        await self._line.aclose()


async def at_once(_seconds: float) -> None:
    return None


@asynccontextmanager
async def connected(**changes: object) -> AsyncIterator[ClubctlClient]:
    async with whole_club() as club, serving(club.app) as address:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(
            base_url=f"{address}/api/v1", headers=headers, trust_env=False, **changes
        ) as http:  # type: ignore[arg-type]
            yield ClubctlClient(http, sleep=at_once)


def test_the_calls_are_what_the_document_says() -> None:
    document = json.loads(generate.DOCUMENT.read_text())
    hint = "run: python -m controller.client.generate"
    for name, text in generate.written(document).items():
        assert (generate.FOLDER / name).read_text() == text, hint
    names = {
        generate.snake(operation["operationId"])
        for operations in document["paths"].values()
        for operation in operations.values()
    }
    assert names <= set(dir(ClubctlClient))


async def test_a_change_empties_what_it_is_told_to_and_leaves_the_rest_alone() -> None:
    async with connected() as club:
        label = "Zoe"
        made = await club.create_player(key="p", label=label, phone="+491515550199")
        player = made.player_id
        again = await club.update_player(player, key="a", label="Zoe K.", if_match="*")
        assert (again.label, again.phone) == ("Zoe K.", "+491515550199")
        emptied = await club.update_player(player, key="b", phone=CLEAR, if_match="*")
        assert (emptied.label, emptied.phone) == ("Zoe K.", None)


async def test_an_evening_over_a_line_that_loses_every_second_answer() -> None:
    line = LossyLine()
    async with connected(transport=line) as club:
        (shown,) = (await club.list_clubs()).clubs
        assert shown.club_id == CLUB
        wallet = await club.top_up_wallet(CLUB, "anna", key="t", amount_minor=90_000)
        assert wallet.balances[0].cash.amount_minor == 90_000
        session = await club.create_session(
            CLUB, key="s", pc_id="pc-1", tariff_id="minute", player_id="anna", start=True
        )
        moved = await club.switch_session_device(session.session_id, key="m", pc_id="pc-2")
        assert moved.pc_id == "pc-2"
        ended = await club.end_session(session.session_id, key="e", ended_reason="ManualByPlayer")
        receipt = await club.get_receipt(session.session_id)
        left = (await club.get_wallet("anna")).balances[0].cash.amount_minor
        assert left == 90_000 - receipt.total.amount_minor
        assert ended.status == "ENDED"
        (found,) = (await club.find_players(CLUB, query="Anna")).players
        assert found.player_id == "anna"
    assert line.requests >= 16


async def test_pages_are_turned_to_the_last() -> None:
    async with connected() as club:
        whole = (await club.list_pcs(CLUB)).pcs
        pages = [page.pcs async for page in every_page(club.list_pcs, CLUB, limit=3)]
        assert len(whole) > 3
        assert [pc for page in pages for pc in page] == whole
        assert {len(page) for page in pages[:-1]} == {3}


async def test_a_refusal_is_raised_by_its_code() -> None:
    async with connected() as club:
        with pytest.raises(ProblemError) as refused:
            await club.create_session(CLUB, key="k", pc_id="pc-9", player_id="anna")
        assert (refused.value.status, refused.value.code) == (404, "pc-not-found")
        with pytest.raises(ProblemError, match="not-found"):
            await club.get_session("../clubs")


async def test_silence_is_told_apart_from_refusal() -> None:
    async with open_http("http://127.0.0.1:1", KEY) as http:
        pauses: list[float] = []

        async def noted(seconds: float) -> None:
            pauses.append(seconds)

        with pytest.raises(NoAnswerError):
            await ClubctlClient(http, sleep=noted).list_clubs()
    assert len(pauses) == ATTEMPTS_MAX - 1
    assert pauses == sorted(pauses)


async def test_the_hall_is_followed_as_it_changes() -> None:
    async with connected() as club:
        hall = club.stream_hall(CLUB)
        first = await anext(hall)
        assert (first.kind, len(first.data["tiles"])) == ("snapshot", 4)
        await club.hold_pc(CLUB, "pc-3", key="h", reason="mouse")
        async for event in hall:
            if any(one["use"] == "HOLD" for one in event.data.get("tiles", ())):
                break
        await hall.aclose()  # type: ignore[attr-defined]
        unknown = club.stream_hall("nowhere")
        with pytest.raises(ProblemError, match="club-not-found"):
            await anext(unknown)
