"""Terms of clubs and zones inside their stored documents: what is not as usual, as JSON."""

from dataclasses import MISSING, fields
from typing import Final

import orjson

from billing_core.stored import club_terms_from_dict, zone_terms_from_dict
from billing_core.terms import ClubTerms, ZoneTerms
from schemas.catalogue import ClubDocument, ZoneDocument

_OF_THE_CLUB: Final = ("club_id", "timezone", "currency")
_OF_THE_ZONE: Final = ("zone_id", "tariff_ids", "default_tariff_id")


def club_terms(club: ClubDocument) -> ClubTerms:
    """A club's terms. Raises StoredValueError."""
    named = {"club_id": club.club_id, "timezone": club.timezone, "currency": club.currency}
    return club_terms_from_dict({**club.terms, **named})


def zone_limits(zone: ZoneDocument) -> ZoneTerms:
    """A zone's limits of its own. Raises StoredValueError."""
    return zone_terms_from_dict({**zone.terms, "zone_id": zone.zone_id})


def stored_club_terms(terms: ClubTerms) -> dict[str, object]:
    """A club's terms as its document has them."""
    return _stored(terms, _OF_THE_CLUB)


def stored_zone_terms(terms: ZoneTerms) -> dict[str, object]:
    """A zone's limits as its document has them."""
    return _stored(terms, _OF_THE_ZONE)


def _stored(terms: ClubTerms | ZoneTerms, left_out: tuple[str, ...]) -> dict[str, object]:
    """The JSON form of what is not as usual."""
    plain = orjson.loads(orjson.dumps(terms))
    kept = {}
    for field in fields(terms):
        is_usual = field.default is not MISSING and getattr(terms, field.name) == field.default
        if field.name not in left_out and not is_usual:
            kept[field.name] = plain[field.name]
    return kept
