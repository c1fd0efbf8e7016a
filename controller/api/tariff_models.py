"""Tariffs as they travel over HTTP: the four policies in the words of a tariff file."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from billing_core.tariff import Channel, RefundPolicy, TariffStatus, TariffType
from controller.api.catalogue_models import Name, Opening, ShortName
from controller.api.instants import Instant
from controller.api.models import MAX_MINOR, Page, Request, Wire
from schemas.catalogue import Currency
from schemas.commands import EntityId

PriceMinor = Annotated[StrictInt, Field(ge=0, le=MAX_MINOR)]
Count = Annotated[StrictInt, Field(ge=1, le=100_000)]
Ids = Annotated[list[EntityId], Field(max_length=200)]
MAX_RULES = 200


class PriceTier(Request):
    """A price per hour that holds from so many minutes on."""

    from_minutes: Annotated[StrictInt, Field(ge=0, le=100_000)]
    price_per_hour_minor: PriceMinor


class TariffPrice(Request):
    """One row of the price table; the first that matches zone, group and time counts.

    Give one price (`pricePerHourMinor`) or tiers; prepaid types need neither.
    """

    name: ShortName
    zones: Ids = Field(default_factory=list)
    groups: Ids = Field(default_factory=list)
    when: Opening = Field(default_factory=Opening)
    price_per_hour_minor: PriceMinor | None = None
    tiers: Annotated[list[PriceTier], Field(max_length=24)] = Field(default_factory=list)
    start_fee_minor: PriceMinor = 0
    min_price_minor: PriceMinor | None = None
    max_price_minor: PriceMinor | None = None
    block_price_minor: PriceMinor | None = None


class TariffExpiration(Request):
    """When bought time stops being valid: the first rule to fire."""

    days_after_purchase: Count | None = None
    days_after_first_use: Count | None = None
    after_hours: Count | None = None
    after_sessions: Count | None = None
    last_day: date | None = None


class TariffSales(Request):
    """When and where it can be bought; no channels: everywhere."""

    when: Opening = Field(default_factory=Opening)
    channels: Annotated[list[Channel], Field(max_length=3)] = Field(default_factory=list)


class TariffUsage(Request):
    """When a session may start on it, and how long after that a running one may finish."""

    start: Opening = Field(default_factory=Opening)
    completion_minutes: Annotated[StrictInt, Field(ge=0, le=1_440)] = 0


class TariffContent(Request):
    """What a tariff says. Which of `blockMinutes`, `hours` and `sessions` it needs depends on its
    type."""

    name: Name
    currency: Currency
    type: TariffType
    prices: Annotated[list[TariffPrice], Field(max_length=MAX_RULES)] = Field(default_factory=list)
    price_minor: PriceMinor = 0
    block_minutes: Count | None = None
    hours: Count | None = None
    sessions: Count | None = None
    expiration: TariffExpiration = Field(default_factory=TariffExpiration)
    sales: TariffSales = Field(default_factory=TariffSales)
    usage: TariffUsage = Field(default_factory=TariffUsage)
    refund: RefundPolicy = RefundPolicy.KEEP
    minimum_minutes: Annotated[StrictInt, Field(ge=0, le=1_440)] = 0
    billing_step_seconds: Annotated[StrictInt, Field(ge=1, le=86_400)] = 60
    bonus_max_percent: Annotated[StrictInt, Field(ge=0, le=100)] = 100
    priority: Annotated[StrictInt, Field(ge=-1_000, le=1_000)] = 0
    groups: Ids = Field(default_factory=list)


class CreateTariffRequest(Request):
    """A new tariff; what it says is a draft until it is published."""

    tariff_id: EntityId
    content: TariffContent


class PutTariffDraftRequest(Request):
    """What the next version is to say, in full."""

    content: TariffContent


class PublishTariffRequest(Request):
    """Whether sessions may begin on the new version at once. The body may be left out."""

    status: Literal["ACTIVE", "INACTIVE"] = "ACTIVE"


class UpdateTariffRequest(Request):
    """The tariff's place in its life: `INACTIVE` sells nothing new, `ARCHIVED` is not shown."""

    status: TariffStatus


class TariffDraft(Wire):
    """What the next version is to say. `isSaved` false: nothing is drafted yet, and this is the
    version it would begin with."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    tariff_id: str
    based_on_version: int | None
    is_saved: StrictBool
    content: TariffContent


class TariffVersion(Wire):
    """A published version. It never changes: sessions and bought time keep it."""

    tariff_id: str
    version: int
    status: TariffStatus
    content: TariffContent


class TariffDetails(TariffVersion):
    """The newest version of a tariff."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    has_draft: bool
    zone_ids: list[str]
    """Zones that name it."""


class TariffVersionList(Page):
    """Versions of a tariff in the order asked for."""

    versions: list[TariffVersion]


class TariffSummary(Wire):
    """A tariff in a list; without a version nothing of it is published."""

    tariff_id: str
    version: int | None
    status: TariffStatus
    name: str
    type: TariffType
    currency: str
    has_draft: bool


class TariffSummaryList(Page):
    """Tariffs of the chain in the order asked for."""

    tariffs: list[TariffSummary]


class TariffFinding(Wire):
    """One contradiction: which field, and what about it. Errors forbid publishing."""

    severity: Literal["error", "warning"]
    code: str
    field: str
    message: str
    club_id: str | None


class TariffCheck(Wire):
    """What is wrong with a tariff in the clubs that could sell it."""

    tariff_id: str
    findings: list[TariffFinding]


class TariffQuoteLine(Wire):
    """Why a range of steps costs what it costs."""

    explanation: str
    from_at: Instant
    until_at: Instant
    amount_minor: int


class TariffQuote(Wire):
    """What a session would cost."""

    tariff_id: str
    version: int | None
    """None for a draft."""
    currency: str
    total_minor: int
    cash_minor: int
    bonus_minor: int
    purchase_minor: int
    """Paid before it begins, for tariffs that are bought first."""
    coverage_until_at: Instant | None
    coverage_cause: str
    ends_at: Instant
    ended_reason: str
    lines: list[TariffQuoteLine]
