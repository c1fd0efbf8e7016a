"""A tariff against the clubs that could sell it, and what it would cost there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from actors.club_setup import zone_terms
from billing_core.grid import TariffGrid
from billing_core.grid_check import check_grid
from billing_core.tariff import Tariff, TariffStatus
from billing_core.tariff_check import Finding, Severity, check_tariff
from billing_core.terms import ClubTerms, ZoneTerms
from schemas.catalogue import ZoneDocument


@dataclass(frozen=True, slots=True)
class ClubFinding:
    """A finding, and the club it is about (None: every club)."""

    finding: Finding
    club_id: str | None

    @property
    def is_error(self) -> bool:
        """Whether it forbids publishing."""
        return self.finding.severity is Severity.ERROR


def review(
    tariff: Tariff, clubs: Iterable[ClubTerms], zones: Mapping[str, ZoneDocument], *, from_ms: int
) -> list[ClubFinding]:
    """Everything that is wrong with a tariff: by itself, then club by club over a year.

    Price rules may name zones of other clubs; what only one club lacks is not its finding.
    """
    checked = replace(tariff, status=TariffStatus.ACTIVE, version=max(1, tariff.version))
    findings = [ClubFinding(finding, None) for finding in check_tariff(checked)]
    if any(finding.is_error for finding in findings):
        return findings
    known = {finding.finding for finding in findings}
    for club in _concerned(tariff, clubs, zones):
        own = tuple(_zones(zones.values(), club.club_id, tariff))
        found = check_grid(TariffGrid(club, own, (checked,)), from_ms)
        findings += (
            ClubFinding(finding, club.club_id)
            for finding in found
            if finding not in known
            and not _is_about_others(finding, tariff, zones, club_id=club.club_id)
        )
    return findings


def _concerned(
    tariff: Tariff, clubs: Iterable[ClubTerms], zones: Mapping[str, ZoneDocument]
) -> list[ClubTerms]:
    """Clubs whose zones sell it; as long as there is none, one where it could be sold."""
    able = [club for club in clubs if club.currency == tariff.currency]
    sold_in = {
        zone.club_id
        for zone in zones.values()
        if not zone.archived and zone_terms(zone).sells(tariff.id)
    }
    return [club for club in able if club.club_id in sold_in] or able[:1]


def _zones(zones: Iterable[ZoneDocument], club_id: str, tariff: Tariff) -> Iterator[ZoneTerms]:
    """The club's zones, as far as they concern this tariff."""
    for zone in zones:
        if zone.club_id == club_id and not zone.archived:
            terms = zone_terms(zone)
            sells = (tariff.id,) if terms.sells(tariff.id) else ("another",)
            listed = () if not terms.tariff_ids else sells
            yield replace(terms, tariff_ids=listed, default_tariff_id=None)


def _is_about_others(
    finding: Finding, tariff: Tariff, zones: Mapping[str, ZoneDocument], *, club_id: str
) -> bool:
    """Zones of other clubs, rules meant for them, and the placeholder of other tariffs."""
    if finding.code == "unknown-tariff":
        return True
    if finding.code not in {"unknown-zone", "rule-never-applies"}:
        return False
    index = int(finding.field.partition("[")[2].partition("]")[0])
    named = tariff.prices[index].zones
    if not named or any(zone_id not in zones for zone_id in named):
        return False
    is_own = any(zones[zone_id].club_id == club_id for zone_id in named)
    return finding.code == "unknown-zone" or not is_own
