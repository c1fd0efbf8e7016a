"""Enrolment books: a change happens whole, once, and only on what its author has read."""

import asyncio
from collections import Counter

from stores_under_test import CHAIN, StoreUnderTest

from actors.store_enrolment import EnrolmentBooks, FieldChange

CLUB = "arena"


def books_of(sut: StoreUnderTest) -> EnrolmentBooks:
    store = sut.store
    assert hasattr(store, "change_enrolment")
    return store  # type: ignore[return-value]


async def test_a_change_is_made_only_on_what_was_read(sut: StoreUnderTest) -> None:
    books = books_of(sut)
    assert await books.enrolment(CHAIN, CLUB) == {}
    new = {"a": FieldChange(None, b"1"), "b": FieldChange(None, b"2")}
    assert await books.change_enrolment(CHAIN, CLUB, new)

    stale = {"a": FieldChange(b"1", b"3"), "b": FieldChange(b"0", b"4")}
    assert not await books.change_enrolment(CHAIN, CLUB, stale)
    assert await books.enrolment(CHAIN, CLUB) == {"a": b"1", "b": b"2"}

    assert await books.change_enrolment(CHAIN, CLUB, {"a": FieldChange(b"1", None)})
    assert await books.enrolment(CHAIN, CLUB) == {"b": b"2"}
    assert await books.enrolment(CHAIN, "elsewhere") == {}
    assert await books.enrolment("other", CLUB) == {}


async def test_what_is_so_already_counts_as_done(sut: StoreUnderTest) -> None:
    books = books_of(sut)
    change = {"a": FieldChange(None, b"1"), "gone": FieldChange(b"x", None)}
    assert await books.change_enrolment(CHAIN, CLUB, {"gone": FieldChange(None, b"x")})
    assert await books.change_enrolment(CHAIN, CLUB, change)
    assert await books.change_enrolment(CHAIN, CLUB, change)
    assert await books.enrolment(CHAIN, CLUB) == {"a": b"1"}


async def test_of_many_that_count_down_each_wins_once(sut: StoreUnderTest) -> None:
    books = books_of(sut)
    await books.change_enrolment(CHAIN, CLUB, {"left": FieldChange(None, b"8")})

    async def take(name: str) -> int:
        conflicts = 0
        while True:
            left = (await books.enrolment(CHAIN, CLUB))["left"]
            changes = {
                "left": FieldChange(left, b"%d" % (int(left) - 1)),
                name: FieldChange(None, left),
            }
            if await books.change_enrolment(CHAIN, CLUB, changes):
                return conflicts
            conflicts += 1

    await asyncio.gather(*(take(f"pc{number}") for number in range(8)))
    book = await books.enrolment(CHAIN, CLUB)
    assert book.pop("left") == b"0"
    assert Counter(book.values()) == Counter(b"%d" % number for number in range(1, 9))


async def test_a_changed_book_is_told_by_chain_and_club(sut: StoreUnderTest) -> None:
    books, heard = books_of(sut), asyncio.Event()

    async def listening() -> None:
        heard.set()

    changes = books.enrolment_changes(listening)
    told = asyncio.ensure_future(anext(changes))
    await asyncio.wait_for(heard.wait(), 5)
    await books.change_enrolment(CHAIN, CLUB, {"a": FieldChange(None, b"1")})
    assert await asyncio.wait_for(told, 5) == (CHAIN, CLUB)
    await changes.aclose()  # type: ignore[attr-defined]


async def test_a_club_leads_to_its_chain(sut: StoreUnderTest) -> None:
    await sut.store.put(CHAIN, {f"club:{CLUB}": b"{}"})
    assert await books_of(sut).chain_of_club(CLUB) == CHAIN
    assert await books_of(sut).chain_of_club("nobody's") is None
