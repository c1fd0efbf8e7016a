"""What is configured, from stored documents to what travels over HTTP, and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from billing_core.stored import StoredValueError, club_terms_from_dict, zone_terms_from_dict
from billing_core.terms import ClubTerms
from billing_core.window import Schedule, UnknownTimezoneError, zone_of
from billing_core.window_text import window_text
from controller.api import catalogue_models as wire
from controller.api.problems import FieldError, ProblemError
from controller.catalogue_terms import (
    club_terms,
    stored_club_terms,
    stored_zone_terms,
    zone_limits,
)
from controller.notation import terms_from_plain, zone_from_plain
from schemas.catalogue import ClubDocument, PcDocument, PlayerGroupDocument, ZoneDocument


def invalid(field: str, message: str) -> ProblemError:
    """``invalid-request`` about one field of the request."""
    errors = (FieldError(field, message),)
    return ProblemError("invalid-request", f"{field}: {message}", field=field, errors=errors)


def checked_timezone(timezone: str) -> str:
    """The name of an IANA zone. Raises ``invalid-request``."""
    try:
        zone_of(timezone)
    except UnknownTimezoneError as error:
        raise invalid("timezone", str(error)) from error
    return timezone


def request_path(path: str) -> str:
    """``club.opening[0]`` as the caller knows it: ``opening.0``."""
    _, _, inner = path.partition(".")
    parts = inner.replace("[", ".").replace("]", "").split(".")
    return ".".join(_camel(part) for part in parts)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def opening_of(schedule: Schedule) -> wire.Opening:
    """A schedule in words."""
    windows = [window_text(window).strip() or "daily" for window in schedule.windows]
    plain = {"windows": windows, "closed_dates": list(schedule.closed_dates)}
    return wire.Opening.model_validate(plain, by_alias=False, by_name=True)


def club_settings(club: ClubDocument, etag: str) -> wire.ClubSettings:
    """A club and its policies, as stored or as usual."""
    terms = club_terms(club)
    values = {field.name: getattr(terms, field.name) for field in fields(ClubTerms)}
    values["opening"] = opening_of(terms.opening)
    values |= {"name": club.name, "etag": etag}
    known = {name: values[name] for name in wire.ClubSettings.model_fields}
    return wire.ClubSettings.model_validate(known, by_alias=False, by_name=True)


def changed_terms(club: ClubDocument, changes: Mapping[str, Any]) -> dict[str, object]:
    """A club's terms with changes in snake case, as stored. Raises ``invalid-request``."""
    try:
        asked = terms_from_plain(changes, timezone=club.timezone, currency=club.currency)
    except StoredValueError as error:
        raise invalid(request_path(error.path), error.problem) from error
    before = asdict(club_terms(club))
    merged = before | {name: asdict(asked)[name] for name in changes}
    terms = club_terms_from_dict(merged)
    if terms.needs_attention_minutes > terms.ending_soon_minutes:
        raise invalid("needsAttentionMinutes", "the second warning comes after the first")
    return stored_club_terms(terms)


def changed_limits(zone: ZoneDocument, changes: Mapping[str, Any]) -> dict[str, object]:
    """A zone's limits with changes in snake case, as stored. Raises ``invalid-request``."""
    try:
        asked = zone_from_plain({**changes, "zone_id": zone.zone_id})
    except StoredValueError as error:
        raise invalid(request_path(error.path), error.problem) from error
    merged = asdict(zone_limits(zone)) | {name: asdict(asked)[name] for name in changes}
    return stored_zone_terms(zone_terms_from_dict(merged))


def zone_settings(zone: ZoneDocument, etag: str) -> wire.ZoneSettings:
    """A zone as configured."""
    limits = zone_limits(zone)
    return wire.ZoneSettings.model_validate(
        {
            **zone.model_dump(exclude={"v", "terms"}),
            "etag": etag,
            "tariff_ids": list(zone.tariff_ids),
            "opening": opening_of(limits.opening),
            "longest_session_minutes": limits.longest_session_minutes,
        },
        by_alias=False,
        by_name=True,
    )


def pc_settings(pc: PcDocument, etag: str) -> wire.PcSettings:
    """A PC as configured."""
    return wire.PcSettings(
        etag=etag,
        pc_id=pc.pc_id,
        club_id=pc.club_id,
        zone_id=pc.zone_id,
        name=pc.name,
        position=pc.position,
        administrative_state=pc.state.value,
    )


def player_group(group: PlayerGroupDocument, etag: str) -> wire.PlayerGroup:
    """A player group."""
    return wire.PlayerGroup(etag=etag, group_id=group.group_id, name=group.name)
