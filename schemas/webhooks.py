"""A subscription to a chain's events, as kept in its catalogue under ``webhook:<id>``."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.commands import EntityId

FIELD_PREFIX: Final = "webhook:"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what secrets begin with, not one


class WebhookSecret(BaseModel):
    """What deliveries are signed with. ``until_ms`` (real UTC): it is being replaced."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: Annotated[str, Field(pattern=r"^whsec_[A-Za-z0-9+/=]{32,96}$")]
    until_ms: int | None = None


class WebhookDocument(BaseModel):
    """Where to, what of, and signed how. An empty ``events`` means every kind.

    ``disabled_reason`` says why nothing is sent: ``by-hand``, ``gone`` or ``overflow``.
    ``updated``: it is not any more what it was made as.
    ``asked_with`` and ``rotated_with`` are the keys of the requests that made it what it is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    webhook_id: EntityId
    url: Annotated[str, Field(max_length=2_000)]
    events: tuple[str, ...] = ()
    secrets: Annotated[tuple[WebhookSecret, ...], Field(min_length=1)]
    disabled_reason: str | None = None
    created_at_ms: int
    updated: bool = False
    asked_with: str = ""
    rotated_with: str = ""

    @property
    def enabled(self) -> bool:
        """Whether events are sent to it."""
        return self.disabled_reason is None

    def with_reason(self, disabled_reason: str | None) -> "WebhookDocument":
        """The same, disabled for a reason or (None) enabled."""
        return self.model_copy(update={"disabled_reason": disabled_reason})

    def wants(self, kind: str) -> bool:
        """Whether it hears of events of this kind."""
        return not self.events or kind in self.events

    def secrets_at(self, now_ms: int) -> tuple[str, ...]:
        """What a delivery is signed with now, the newest first."""
        return tuple(s.text for s in self.secrets if s.until_ms is None or s.until_ms > now_ms)


def field_of(webhook_id: str) -> str:
    """The catalogue field of a subscription."""
    return f"{FIELD_PREFIX}{webhook_id}"
