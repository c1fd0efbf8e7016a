"""Who is let in, who waits and who is turned away: the decisions on a club's book."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from controller.broker.passwords import broker_hash, is_secret_of
from controller.enrolment.admission import WAITING_MAX, Admission, AdmissionCode
from controller.enrolment.book import parsed
from controller.enrolment.codes import (
    ALPHABET,
    TypedCode,
    digest_of_code,
    find_code,
    make_code,
    read_code,
)
from controller.enrolment.guesses import (
    NAMES_MAX,
    WINDOW_MS,
    WRONG_PER_CLUB,
    WRONG_PER_ORIGIN,
    GuessLimit,
)
from controller.enrolment.office import CodeWish, EnrolmentOffice, IssuedCode, Place
from controller.enrolment.staffing import CODES_MAX, StaffRefusal
from schemas.catalogue import ClubDocument, PcAdministrativeState, PcDocument
from schemas.enrolment import (
    CredentialState,
    EnrolmentCode,
    EnrolmentFacts,
    EnrolmentRequest,
    RefreshRequest,
    WaitingReason,
)

CHAIN, CLUB = "chain", "arena"
NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
DESK = Place(CHAIN, CLUB, "key:front-desk", "10.0.0.9")


class Hall:
    """A club of five PCs (and a retired one) with its office."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock(NOW_MS)
        self.office = EnrolmentOffice(self.store, self.clock, random.Random(1).randbytes)
        self.numbers = itertools.count()

    async def open(self) -> "Hall":
        club = ClubDocument(club_id=CLUB, name="Arena", timezone="UTC", currency="EUR")
        retired = {"pc9": PcAdministrativeState.RETIRED}
        pcs = [
            PcDocument(
                pc_id=pc_id,
                club_id=CLUB,
                zone_id="main",
                name=f"PC {pc_id[2:]}",
                state=retired.get(pc_id, PcAdministrativeState.IN_SERVICE),
            )
            for pc_id in ("pc1", "pc2", "pc3", "pc4", "pc5", "pc9")
        ]
        documents = {f"club:{CLUB}": club, **{f"pc:{pc.pc_id}": pc for pc in pcs}}
        fields = {name: one.model_dump_json().encode() for name, one in documents.items()}
        await self.store.put(CHAIN, fields)
        return self

    async def code(self, **wish: object) -> str:
        code_id = f"code-{next(self.numbers)}"
        issued = await self.office.issue(DESK, CodeWish(code_id, **wish))  # type: ignore[arg-type]
        assert isinstance(issued, IssuedCode)
        return issued.text

    async def ask(self, code: str, name: str, **asked: object) -> Admission:
        request = EnrolmentRequest(code=code, secret=secret_of(name), **asked)  # type: ignore[arg-type]
        chain_id, club_id, admission = await self.office.admit(request, "10.0.0.7")
        if admission.code is not AdmissionCode.CODE_REFUSED:
            assert (chain_id, club_id) == (CHAIN, CLUB)
        return admission


def secret_of(name: str) -> str:
    return name.ljust(43, "_")


@pytest.fixture
async def hall() -> Hall:
    return await Hall().open()


async def test_a_code_makes_as_many_pcs_known_as_it_says(hall: Hall) -> None:
    code = await hall.code(uses=2)
    one = await hall.ask(code, "a", facts=EnrolmentFacts(hostname="PC-1"))
    two = await hall.ask(code.lower().replace("-", " "), "b", pc_id="pc2")
    three = await hall.ask(code, "c", pc_id="pc3")

    assert (one.code, one.pc_id) == (AdmissionCode.ENROLLED, "pc1")
    assert (two.code, two.pc_id) == (AdmissionCode.ENROLLED, "pc2")
    assert three.code is AdmissionCode.CODE_REFUSED
    book = await hall.office.book(DESK)
    assert set(book.credentials) == {"pc1", "pc2"}
    assert is_secret_of(book.credentials["pc1"].broker_hash, secret_of("a"))


async def test_asking_again_is_the_same_request_and_uses_nothing_up(hall: Hall) -> None:
    code = await hall.code()
    first = await hall.ask(code, "a", pc_id="pc1")
    hall.clock.advance(60 * MINUTE_MS)
    again = await hall.ask(code, "a", pc_id="pc1")
    assert first.is_new
    assert not again.is_new
    assert (first.code, first.pc_id) == (again.code, again.pc_id)


@pytest.mark.parametrize("what", ["expired", "used", "wrong", "other-club", "no-code", "foreign"])
async def test_a_code_that_is_not_good_lets_nobody_in(hall: Hall, what: str) -> None:
    code = await hall.code()
    if what == "expired":
        hall.clock.advance(10 * MINUTE_MS)
    if what == "used":
        await hall.ask(code, "first", pc_id="pc1")
    tried = {
        "wrong": f"{CLUB}.0000-0000-0000",
        "other-club": code.replace(CLUB, "bastion"),
        "no-code": "anything",
        "foreign": "клуб.0000-0000-000Ж",
    }.get(what, code)
    assert (await hall.ask(tried, "a", pc_id="pc2")).code is AdmissionCode.CODE_REFUSED
    assert "pc2" not in (await hall.office.book(DESK)).credentials


async def test_a_code_never_takes_a_known_pc_s_place(hall: Hall) -> None:
    code = await hall.code(uses=5)
    await hall.ask(code, "owner", pc_id="pc1")
    thief = await hall.ask(code, "thief", pc_id="pc1")
    assert thief.code is AdmissionCode.WAITING
    book = await hall.office.book(DESK)
    assert is_secret_of(book.credentials["pc1"].broker_hash, secret_of("owner"))
    assert book.requests[thief.request_id].reason is WaitingReason.PC_TAKEN

    # A revoked PC does not come back by a code for anybody either.
    await hall.office.revoke(DESK, "pc1")
    again = await hall.ask(code, "owner-again", pc_id="pc1")
    assert again.code is AdmissionCode.WAITING
    assert (await hall.ask(code, "owner")).code is AdmissionCode.REVOKED


async def test_a_code_for_one_pc_replaces_what_it_was_known_by(hall: Hall) -> None:
    await hall.ask(await hall.code(), "old", pc_id="pc1")
    code = await hall.code(pc_id="pc1")
    assert (await hall.ask(code, "new", pc_id="pc2")).pc_id == "pc1"
    book = await hall.office.book(DESK)
    assert is_secret_of(book.credentials["pc1"].broker_hash, secret_of("new"))
    assert set(book.credentials) == {"pc1"}


@pytest.mark.parametrize("asked", ["pc9", "nowhere", None])
async def test_a_machine_that_is_no_pc_of_the_hall_waits(hall: Hall, asked: str | None) -> None:
    facts = EnrolmentFacts(hostname="DESKTOP-7F3A")
    waiting = await hall.ask(await hall.code(), "a", pc_id=asked, facts=facts)
    assert waiting.code is AdmissionCode.WAITING
    request = (await hall.office.book(DESK)).requests[waiting.request_id]
    assert (request.reason, request.origin) == (WaitingReason.NO_SUCH_PC, "10.0.0.7")

    assert await hall.office.approve(DESK, waiting.request_id, None) is StaffRefusal.PC_NEEDED
    assert await hall.office.approve(DESK, waiting.request_id, "pc9") is StaffRefusal.NO_SUCH_PC
    placed = await hall.office.approve(DESK, waiting.request_id, "pc4")
    assert not isinstance(placed, StaffRefusal)
    assert await hall.office.approve(DESK, waiting.request_id, "pc4") == placed
    assert (await hall.ask("anything", "a")).code is AdmissionCode.CODE_REFUSED
    told = await hall.ask(f"{CLUB}.0000-0000-0000", "a")
    assert (told.code, told.pc_id) == (AdmissionCode.ENROLLED, "pc4")


async def test_staff_let_in_or_turn_away_whom_a_code_only_announces(hall: Hall) -> None:
    code = await hall.code(uses=2, needs_approval=True)
    good = await hall.ask(code, "good", pc_id="pc1")
    bad = await hall.ask(code, "bad", pc_id="pc2")
    assert {good.code, bad.code} == {AdmissionCode.WAITING}

    assert not isinstance(await hall.office.approve(DESK, good.request_id, None), StaffRefusal)
    assert not isinstance(await hall.office.reject(DESK, bad.request_id), StaffRefusal)
    assert await hall.office.approve(DESK, bad.request_id, "pc2") is StaffRefusal.REJECTED
    assert await hall.office.reject(DESK, "nobody") is StaffRefusal.NO_SUCH_REQUEST

    assert (await hall.ask(code, "good")).pc_id == "pc1"
    assert (await hall.ask(code, "bad")).code is AdmissionCode.REJECTED
    assert set((await hall.office.book(DESK)).credentials) == {"pc1"}


async def test_books_stay_small(hall: Hall) -> None:
    code = await hall.code(uses=500, needs_approval=True)
    for number in range(WAITING_MAX):
        assert (await hall.ask(code, f"m{number}")).code is AdmissionCode.WAITING
    assert (await hall.ask(code, "last")).code is AdmissionCode.FULL
    for _ in range(CODES_MAX - 1):
        await hall.code()
    refused = await hall.office.issue(DESK, CodeWish("one-too-many"))
    assert refused is StaffRefusal.TOO_MANY_CODES

    hall.clock.advance(24 * 60 * MINUTE_MS)
    await hall.code()
    book = await hall.office.book(DESK)
    assert (len(book.codes), len(book.requests)) == (1, 0)


async def test_a_pc_replaces_its_secret_and_a_lost_answer_does_no_harm(hall: Hall) -> None:
    await hall.ask(await hall.code(), "old", pc_id="pc1")
    await hall.office.rotate(DESK, "pc1")

    async def refresh(secret: str, new: str | None = None) -> bool | None:
        request = RefreshRequest(
            club_id=CLUB,
            pc_id="pc1",
            secret=secret_of(secret),
            new_secret=None if new is None else secret_of(new),
        )
        found = await hall.office.refresh(request)
        return None if found is None else found[1].renew_wanted

    assert await refresh("old") is True
    assert await refresh("old", "new") is False
    assert await refresh("old", "new") is False
    assert await refresh("old") is None
    assert await refresh("guess", "mine") is None
    assert await refresh("new") is False
    await hall.office.quarantine(DESK, "pc1")
    assert await refresh("new") is None
    book = await hall.office.book(DESK)
    assert book.credentials["pc1"].state is CredentialState.QUARANTINED


async def test_what_is_revoked_stays_so(hall: Hall) -> None:
    await hall.ask(await hall.code(), "a", pc_id="pc1")
    await hall.office.revoke(DESK, "pc1")
    await hall.office.quarantine(DESK, "pc1")
    assert (await hall.office.book(DESK)).credentials["pc1"].state is CredentialState.REVOKED
    assert await hall.office.rotate(DESK, "pc1") is StaffRefusal.NOT_ENROLLED
    assert await hall.office.revoke(DESK, "pc2") is StaffRefusal.NOT_ENROLLED


async def test_every_step_is_in_the_audit_and_no_secret_is(hall: Hall) -> None:
    code = await hall.code(needs_approval=True)
    waiting = await hall.ask(code, "a", pc_id="pc1")
    await hall.office.approve(DESK, waiting.request_id, None)
    await hall.office.revoke(DESK, "pc1")
    entries = [entry.payload.decode() for entry in await hall.store.audit(CHAIN)]
    for operation in ("create_enrolment_code", "enrol_pc", "approve_enrolment", "revoked_pc"):
        assert sum(f'"{operation}"' in entry for entry in entries) == 1
    kept = await hall.store.enrolment(CHAIN, CLUB)
    for text in (*entries, *(document.decode() for document in kept.values())):
        assert secret_of("a") not in text
        assert code.partition(".")[2] not in text
        assert code.partition(".")[2].replace("-", "") not in text


async def test_a_document_nobody_can_read_is_passed_over() -> None:
    assert parsed({"pc:pc1": b"{", "code:x": b'{"v":2}', "other:1": b"{}"}).credentials == {}


@given(st.binary(min_size=8, max_size=8))
def test_a_code_is_read_as_it_was_made(drawn: bytes) -> None:
    text = make_code(CLUB, drawn)
    typed = read_code(text)
    assert typed is not None
    assert (typed.club_id, len(typed.characters)) == (CLUB, 12)
    assert read_code(text.swapcase().replace("ARENA", "arena")) == typed
    assert set(typed.characters) <= set(ALPHABET)


@pytest.mark.parametrize("typed", ["arena.O1IL-ABCD-EFGH", "arena.o11labcdefgh"])
def test_look_alikes_are_one_character(typed: str) -> None:
    assert read_code(typed) == TypedCode(CLUB, "0111ABCDEFGH")


def test_the_right_code_is_found_among_many() -> None:
    def stored(number: int) -> EnrolmentCode:
        text = read_code(make_code(CLUB, number.to_bytes(8)))
        assert text is not None
        return EnrolmentCode(
            code_id=f"c{number}",
            digest=digest_of_code(text),
            uses_left=1,
            expires_at_ms=NOW_MS,
            created_at_ms=0,
        )

    codes = [stored(number) for number in range(10)]
    typed = read_code(make_code(CLUB, (7).to_bytes(8)))
    assert typed is not None
    assert find_code(codes, typed, NOW_MS - 1) == codes[7]
    assert find_code(codes, typed, NOW_MS) is None
    assert find_code(codes, TypedCode("bastion", typed.characters), NOW_MS - 1) is None


def test_ten_wrong_guesses_are_enough_for_a_minute() -> None:
    limit = GuessLimit()
    for number in range(WRONG_PER_ORIGIN):
        assert limit.pause_ms(origin="a", club_id=CLUB, now_ms=number) == 0
        limit.wrong(origin="a", club_id=CLUB, now_ms=number)
    assert limit.pause_ms(origin="a", club_id="other", now_ms=100) == WINDOW_MS - 100
    assert limit.pause_ms(origin="b", club_id=CLUB, now_ms=100) == 0
    assert limit.pause_ms(origin="a", club_id=CLUB, now_ms=WINDOW_MS) == 0


def test_many_addresses_guess_at_one_club_no_faster() -> None:
    limit = GuessLimit()
    for number in range(WRONG_PER_CLUB):
        limit.wrong(origin=f"o{number}", club_id=CLUB, now_ms=0)
    assert limit.pause_ms(origin="fresh", club_id=CLUB, now_ms=1) > 0
    assert limit.pause_ms(origin="fresh", club_id="other", now_ms=1) == 0
    for number in range(NAMES_MAX):
        limit.wrong(origin=f"n{number}", club_id="other", now_ms=2)
    assert len(limit._wrong) == NAMES_MAX


def test_a_hash_is_of_one_secret_only() -> None:
    stored = broker_hash("secret", b"123456789012")
    assert stored.startswith("$7$101$")
    assert is_secret_of(stored, "secret")
    for other in (stored[:-1], "", "$7$x$a$b", "$7$1$!$b", "$6$1$a$b"):
        assert not is_secret_of(other, "secret")
    assert not is_secret_of(stored, "guess")
