"""Tariffs from what travels over HTTP to the billing room's values, and back."""

from collections.abc import Mapping
from typing import Final

from billing_core.stored import StoredValueError
from billing_core.tariff import Tariff, TariffStatus
from controller.api import tariff_models as wire
from controller.api.catalogue_rendering import invalid, opening_of, request_path
from controller.api.directory import ChainDirectory
from controller.notation import tariff_from_plain, written

_OUTSIDE: Final = {"id", "status"}


def tariff_of(tariff_id: str, content: wire.TariffContent) -> Tariff:
    """The value a content stands for, at version 1. Raises ``invalid-request``."""
    plain = content.model_dump(mode="json", exclude_defaults=True)
    try:
        return tariff_from_plain({**plain, "id": tariff_id})
    except StoredValueError as error:
        raise invalid(f"content.{request_path(error.path)}", error.problem) from error


def content_of(tariff: Tariff) -> wire.TariffContent:
    """What a tariff says."""
    plain = {name: value for name, value in written(tariff).items() if name not in _OUTSIDE}
    for rule, shown in zip(tariff.prices, plain.get("prices", ()), strict=True):
        shown["when"] = opening_of(rule.when)
    if "sales" in plain:
        plain["sales"]["when"] = opening_of(tariff.sales.when)
    if "usage" in plain:
        plain["usage"]["start"] = opening_of(tariff.usage.start)
    return wire.TariffContent.model_validate(plain, by_alias=False, by_name=True)


def tariff_version(tariff: Tariff) -> wire.TariffVersion:
    """A published version."""
    return wire.TariffVersion(
        tariff_id=tariff.id,
        version=tariff.version,
        status=tariff.status,
        content=content_of(tariff),
    )


def tariff_details(directory: ChainDirectory, tariff: Tariff, etag: str) -> wire.TariffDetails:
    """The newest version and what hangs on it."""
    zones = directory.every_zone.values()
    return wire.TariffDetails(
        etag=etag,
        tariff_id=tariff.id,
        version=tariff.version,
        status=tariff.status,
        content=content_of(tariff),
        has_draft=tariff.id in directory.drafts,
        zone_ids=sorted(
            zone.zone_id for zone in zones if tariff.id in zone.tariff_ids and not zone.archived
        ),
    )


def tariff_summaries(
    published: Mapping[str, Tariff], drafts: Mapping[str, Tariff]
) -> list[wire.TariffSummary]:
    """Tariffs for a list, by name; what is only drafted has no version."""
    shown = []
    for tariff_id in published.keys() | drafts.keys():
        newest = published.get(tariff_id)
        tariff = newest or drafts[tariff_id]
        shown.append(
            wire.TariffSummary(
                tariff_id=tariff_id,
                version=None if newest is None else newest.version,
                status=tariff.status if newest is not None else TariffStatus.INACTIVE,
                name=tariff.name,
                type=tariff.type,
                currency=tariff.currency,
                has_draft=tariff_id in drafts,
            )
        )
    return sorted(shown, key=lambda one: (one.name, one.tariff_id))
