"""Where enrolment is done: reads the books, decides, writes down, and enters it in the audit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from actors.auditing import BY_ITSELF, Asker
from actors.clock import Clock
from actors.store import Catalogue
from actors.store_editing import CatalogueEdit, CatalogueEditing
from actors.store_enrolment import EnrolmentBooks
from controller.broker.passwords import SALT_BYTES, broker_hash
from controller.enrolment.admission import (
    Admission,
    AdmissionCode,
    Asking,
    admit,
    may_be_let_in,
)
from controller.enrolment.book import Book, Decision, changed, parsed
from controller.enrolment.codes import CODE_BYTES, TypedCode, digest_of_code, make_code, read_code
from controller.enrolment.halls import halls_of
from controller.enrolment.renewal import Refreshing, refresh
from controller.enrolment.staffing import (
    By,
    StaffRefusal,
    approve,
    issue_code,
    reject,
    set_state,
    want_renewal,
)
from controller.shared_reads import SharedReads
from schemas.enrolment import (
    CredentialState,
    EnrolmentCode,
    EnrolmentRequest,
    PcCredential,
    RefreshRequest,
    WaitingRequest,
)

MINUTES_MAX: Final = 24 * 60
USES_MAX: Final = 500
DEFAULT_MINUTES: Final = 10
OVERDUE: Final = "renewal-overdue"

T = TypeVar("T")


class EnrolmentStore(Catalogue, CatalogueEditing, EnrolmentBooks, Protocol):
    """The part of the store that enrolment needs."""


@dataclass(frozen=True, slots=True)
class Place:
    """A club, and who acts there: the principal's label and the address it came from."""

    chain_id: str
    club_id: str
    principal: str
    origin: str = ""
    channel: str = "crm"
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class CodeWish:
    """What a code should be good for. ``pc_id``: to replace this PC's credentials."""

    code_id: str
    uses: int = 1
    minutes: int = DEFAULT_MINUTES
    needs_approval: bool = False
    pc_id: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code and its text, which is nowhere else."""

    text: str
    document: EnrolmentCode


def drawn_code(club_id: str, wish: CodeWish, drawn: bytes, *, by: By) -> IssuedCode:
    """The code that ``CODE_BYTES`` random bytes make, and what is kept of it."""
    text = make_code(club_id, drawn)
    typed = read_code(text)
    assert typed is not None
    document = EnrolmentCode(
        code_id=wish.code_id,
        digest=digest_of_code(typed),
        uses_left=wish.uses,
        expires_at_ms=by.now_ms + wish.minutes * 60_000,
        needs_approval=wish.needs_approval,
        pc_id=wish.pc_id,
        created_at_ms=by.now_ms,
        created_by=by.principal,
    )
    return IssuedCode(text, document)


class EnrolmentOffice:
    """``draw`` gives that many random bytes; ``clock`` is the machine's own."""

    def __init__(self, store: EnrolmentStore, clock: Clock, draw: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._draw = draw
        self._looks = SharedReads(self._look)

    async def book(self, place: Place) -> Book:
        """The club's book as it is."""
        return await self.book_of(place.chain_id, place.club_id)

    async def book_of(self, chain_id: str, club_id: str) -> Book:
        """The same, for whoever acts for nobody."""
        return parsed(await self._store.enrolment(chain_id, club_id))

    async def issue(self, place: Place, wish: CodeWish) -> IssuedCode | StaffRefusal:
        """Make a code. The same ``code_id`` again replaces the code made before."""
        hall = await self._hall(place.chain_id, place.club_id)
        if wish.pc_id is not None and wish.pc_id not in hall:
            return StaffRefusal.NO_SUCH_PC
        issued = drawn_code(place.club_id, wish, self._draw(CODE_BYTES), by=self._by(place))
        kept = await self._decide(place, lambda book: issue_code(book, issued.document))
        asked = {"uses": wish.uses, "minutes": wish.minutes, "pc_id": wish.pc_id}
        await self._audit(place, "create_enrolment_code", asked, done=kept)
        return kept if isinstance(kept, StaffRefusal) else issued

    async def admit(self, request: EnrolmentRequest, origin: str) -> tuple[str, str, Admission]:
        """Answer a machine: (chain, club, what became of it); a club nobody has is a bad code."""
        typed = read_code(request.code)
        chain_id = None if typed is None else await self._store.chain_of_club(typed.club_id)
        if typed is None or chain_id is None:
            return "", "", Admission(AdmissionCode.CODE_REFUSED, "")
        # Before anything that costs: nearly all who guess end here.
        book = await self._looks.answer((chain_id, typed.club_id))
        if not may_be_let_in(book, request.secret, typed, now_ms=self._clock.wall_ms()):
            return chain_id, typed.club_id, Admission(AdmissionCode.CODE_REFUSED, "")
        asking = await self._asking(request, typed, chain_id=chain_id, origin=origin)
        place = Place(chain_id, typed.club_id, "pc", origin, channel="pc")
        admission = await self._decide(place, lambda book: admit(book, asking))
        if admission.is_new:
            facts = request.facts.model_dump(exclude_defaults=True)
            became = {"became": admission.code.value, "request_id": admission.request_id}
            await self._audit(place, "enrol_pc", {"pc_id": admission.pc_id, **became, **facts})
        return chain_id, typed.club_id, admission

    async def refresh(self, request: RefreshRequest) -> tuple[str, PcCredential] | None:
        """A known PC's (chain, credential), with its new secret in force; None for any other."""
        chain_id = await self._store.chain_of_club(request.club_id)
        if chain_id is None:
            return None
        new, now_ms = request.new_secret, self._clock.wall_ms()
        book = await self._looks.answer((chain_id, request.club_id))
        looked = refresh(book, Refreshing(request, None, now_ms))
        if new is None or (looked.answer is None and not looked.keep):
            return None if looked.answer is None else (chain_id, looked.answer)
        asking = Refreshing(request, broker_hash(new, self._draw(SALT_BYTES)), now_ms)
        place = Place(chain_id, request.club_id, f"pc:{request.pc_id}", channel="pc")
        found = await self._decide(place, lambda book: refresh(book, asking))
        if found is None and looked.keep:
            await self._audit(place, "quarantined_pc", {"pc_id": request.pc_id})
        return None if found is None else (chain_id, found)

    async def revoke_overdue(self) -> int:
        """Shut out PCs that had their time to draw the secret staff want; how many."""
        now_ms, shut = self._clock.wall_ms(), 0
        for chain_id in await self._store.chains():
            for club_id in halls_of(await self._store.catalogue(chain_id)):
                book = await self.book_of(chain_id, club_id)
                for one in book.credentials.values():
                    if one.is_overdue(now_ms):
                        place = Place(chain_id, club_id, OVERDUE, channel=BY_ITSELF)
                        await self.revoke(place, one.pc_id)
                        shut += 1
        return shut

    async def approve(
        self, place: Place, request_id: str, pc_id: str | None
    ) -> PcCredential | StaffRefusal:
        """Make a waiting machine a PC of the club."""
        hall = await self._hall(place.chain_id, place.club_id)
        by = self._by(place)
        done = await self._decide(
            place, lambda book: approve(book, request_id, pc_id, hall=hall, by=by)
        )
        await self._audit(
            place, "approve_enrolment", {"request_id": request_id, "pc_id": pc_id}, done=done
        )
        return done

    async def reject(self, place: Place, request_id: str) -> WaitingRequest | StaffRefusal:
        """Turn a waiting machine away."""
        by = self._by(place)
        done = await self._decide(place, lambda book: reject(book, request_id, by))
        await self._audit(place, "reject_enrolment", {"request_id": request_id}, done=done)
        return done

    async def revoke(self, place: Place, pc_id: str) -> PcCredential | StaffRefusal:
        """Shut a PC out of the broker until it is enrolled anew."""
        return await self._set_state(place, pc_id, CredentialState.REVOKED)

    async def quarantine(self, place: Place, pc_id: str) -> PcCredential | StaffRefusal:
        """Shut out two machines that speak under one name."""
        return await self._set_state(place, pc_id, CredentialState.QUARANTINED)

    async def rotate(self, place: Place, pc_id: str) -> PcCredential | StaffRefusal:
        """Have a PC draw a new secret."""
        by = self._by(place)
        done = await self._decide(place, lambda book: want_renewal(book, pc_id, by))
        await self._audit(place, "rotate_pc_secret", {"pc_id": pc_id}, done=done)
        return done

    async def _set_state(
        self, place: Place, pc_id: str, state: CredentialState
    ) -> PcCredential | StaffRefusal:
        by = self._by(place)
        done = await self._decide(place, lambda book: set_state(book, pc_id, state, by=by))
        await self._audit(place, f"{state.value.lower()}_pc", {"pc_id": pc_id}, done=done)
        return done

    async def _asking(
        self, request: EnrolmentRequest, typed: TypedCode, *, chain_id: str, origin: str
    ) -> Asking:
        return Asking(
            request=request,
            typed=typed,
            hall=await self._hall(chain_id, typed.club_id),
            broker_hash=broker_hash(request.secret, self._draw(SALT_BYTES)),
            origin=origin,
            now_ms=self._clock.wall_ms(),
        )

    async def _look(self, club: tuple[str, str]) -> Book:
        return await self.book_of(*club)

    async def _hall(self, chain_id: str, club_id: str) -> dict[str, str]:
        return halls_of(await self._store.catalogue(chain_id)).get(club_id, {})

    async def _decide(self, place: Place, decide: Callable[[Book], Decision[T]]) -> T:
        return await changed(self._store, (place.chain_id, place.club_id), decide)

    def _by(self, place: Place) -> By:
        return By(place.principal, self._clock.wall_ms())

    async def _audit(
        self, place: Place, operation: str, asked: Mapping[str, object], *, done: object = None
    ) -> None:
        entry = Asker(place.principal, place.channel, place.origin).entry(
            operation,
            {name: value for name, value in asked.items() if value is not None},
            at_ms=self._clock.wall_ms(),
            club_id=place.club_id,
            idempotency_key=place.idempotency_key,
            code=done.value if isinstance(done, StaffRefusal) else None,
        )
        await self._store.edit(place.chain_id, CatalogueEdit(audit=(entry,)))
