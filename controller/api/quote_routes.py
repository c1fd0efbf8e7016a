"""What a session would cost in a club under a tariff, published or only drafted."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from actors.club_setup import zone_terms
from billing_core.quote import Quote, QuoteRequest, quote
from billing_core.receipt import ReceiptLine
from billing_core.rejection import Rejected
from billing_core.session import SessionMode
from billing_core.tariff import Channel, Tariff, TariffStatus
from billing_core.tariff_check import Severity, check_tariff
from billing_core.terms import Terms, ZoneTerms
from billing_core.wallet import Wallet
from controller.api import tariff_models as wire
from controller.api.catalogue_rendering import invalid
from controller.api.command_calls import ClubId
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import TariffId
from controller.api.guard import GuardedRoute
from controller.api.instants import parse_instant, render_instant
from controller.api.models import MAX_MINOR
from controller.api.openapi import API_PREFIX, QUERY_PROBLEMS
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.api.tariffs_seen import sees_drafts, tariffs_seen
from controller.catalogue_terms import club_terms
from schemas.access import Permission
from schemas.commands import EntityId

LONGEST_MS = 7 * 24 * 3_600_000
router = APIRouter(
    prefix=API_PREFIX,
    route_class=GuardedRoute,
    responses=QUERY_PROBLEMS,
)


@dataclass(frozen=True, slots=True)
class Question:
    """From when until when, where, for whom, with what money. Without any, enough is assumed."""

    start_at: Annotated[str, Query(alias="startAt", max_length=40)]
    end_at: Annotated[str, Query(alias="endAt", max_length=40)]
    zone_id: Annotated[EntityId, Query(alias="zoneId")]
    group: Annotated[EntityId | None, Query()] = None
    cash_minor: Annotated[int | None, Query(alias="cashMinor", ge=0, le=MAX_MINOR)] = None
    bonus_minor: Annotated[int | None, Query(alias="bonusMinor", ge=0, le=MAX_MINOR)] = None
    mode: Annotated[SessionMode, Query()] = SessionMode.PREPAID
    channel: Annotated[Channel, Query()] = Channel.CRM
    draft: Annotated[bool, Query()] = False

    @property
    def request(self) -> QuoteRequest:
        """As the billing room asks it. Raises ``invalid-request``."""
        start_ms, end_ms = _instant(self.start_at, "startAt"), _instant(self.end_at, "endAt")
        if not start_ms <= end_ms <= start_ms + LONGEST_MS:
            raise invalid("endAt", "not before startAt, and at most a week after it")
        return QuoteRequest(start_ms, end_ms, self.mode, self.channel)

    @property
    def wallet(self) -> Wallet:
        """The player's money."""
        if self.cash_minor is None and self.bonus_minor is None:
            return Wallet(MAX_MINOR)
        return Wallet(self.cash_minor or 0, self.bonus_minor or 0)


@router.get(
    "/clubs/{clubId}/tariffs/{tariffId}/quote", operation_id="quoteTariff", tags=["tariffs"]
)
async def quote_tariff(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    tariff_id: TariffId,
    question: Annotated[Question, Depends()],
) -> wire.TariffQuote:
    """What a session would cost; with `draft`, under the version that is not published yet."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=question.draft)
    club = club_terms(directory.club(club_id))
    tariff = _asked(directory, principal, tariff_id, draft=question.draft)
    zone = _zone(directory, club_id, question)
    terms = Terms(
        club=club,
        tariffs={**directory.versions, tariff.ref: tariff},
        zone=ZoneTerms(
            zone.zone_id,
            opening=zone.opening,
            longest_session_minutes=zone.longest_session_minutes,
        ),
        wallet=question.wallet,
        groups=() if question.group is None else (question.group,),
    )
    answer = quote(tariff, terms, question.request)
    if isinstance(answer, Rejected):
        raise ProblemError("quote-refused", f"{answer.message} ({answer.code.value})")
    return _shown(answer, tariff_id, None if question.draft else tariff.version)


def _asked(
    directory: ChainDirectory, principal: Principal, tariff_id: str, *, draft: bool
) -> Tariff:
    if not draft:
        tariff = tariffs_seen(directory, principal).get(tariff_id)
        if tariff is None:
            raise ProblemError("tariff-not-found")
        return tariff
    if Permission.CATALOGUE_READ not in principal.permissions or not sees_drafts(principal):
        raise ProblemError("forbidden", "Drafts are for those who edit the catalogue.")
    drafted = directory.drafts.get(tariff_id)
    if drafted is None:
        raise ProblemError("draft-not-found")
    newest = directory.tariffs.get(tariff_id)
    version = 1 if newest is None else newest.version + 1
    tariff = replace(drafted, version=version, status=TariffStatus.ACTIVE)
    for finding in check_tariff(tariff):
        if finding.severity is Severity.ERROR:
            field = f"content.{finding.field}"
            raise ProblemError("tariff-check-failed", finding.message, field=field)
    return tariff


def _zone(directory: ChainDirectory, club_id: str, question: Question) -> ZoneTerms:
    zone = directory.every_zone.get(question.zone_id)
    if zone is None or zone.club_id != club_id:
        raise ProblemError("zone-not-found", field="zoneId")
    return zone_terms(zone)


def _instant(text: str, field: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise invalid(field, str(error)) from error


def _shown(answer: Quote, tariff_id: str, version: int | None) -> wire.TariffQuote:
    receipt, until_ms = answer.receipt, answer.coverage.until_ms
    lines = [line for segment in receipt.segments for line in segment.lines]
    return wire.TariffQuote(
        tariff_id=tariff_id,
        version=version,
        currency=receipt.currency,
        total_minor=receipt.total_minor,
        cash_minor=receipt.cash_minor,
        bonus_minor=receipt.bonus_minor,
        purchase_minor=answer.purchase_minor,
        coverage_until_at=None if until_ms is None else render_instant(until_ms),
        coverage_cause=answer.coverage.cause.value,
        ends_at=render_instant(answer.ended_at_ms),
        ended_reason=answer.ended_reason.value,
        lines=[_line(line) for line in lines],
    )


def _line(line: ReceiptLine) -> wire.TariffQuoteLine:
    return wire.TariffQuoteLine(
        explanation=line.explanation,
        from_at=render_instant(line.from_at_ms),
        until_at=render_instant(line.until_at_ms),
        amount_minor=line.amount_minor,
    )
