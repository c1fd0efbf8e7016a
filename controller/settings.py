"""What a process is told from outside: one frozen object, validated at start, safe to print.

Every field is a variable ``CLUBCTL_<FIELD>`` or a key of the one TOML file that
``CLUBCTL_CONFIG`` names; a variable wins over the file. Lists and tables are JSON in a variable.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from actors.waking import Address, wake_address
from schemas.access import ROLE_PERMISSIONS, Permission, Role
from schemas.commands import Channel, EntityId

PREFIX = "CLUBCTL_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
HIDDEN = "***"
HOSTS_MAX = 64
SPEED_MAX = 1_000.0


class SettingsError(Exception):
    """The environment or the file is wrong; the message has one line per field, by its name."""


class Environment(StrEnum):
    """``production`` refuses everything that is only for a demo."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            raise ValueError(f"must begin with one of {', '.join(f'{s}://' for s in schemes)}")
        # Reading the port is what validates it.
        if parts.scheme != "unix" and not (parts.hostname and (parts.port is None or parts.port)):
            raise ValueError("must name a host, such as 127.0.0.1")
        return value

    return AfterValidator(check)


def _wakes(value: str) -> str:
    wake_address(value)
    return value


RedisUrl = Annotated[str, _url("redis", "rediss", "unix")]
MqttUrl = Annotated[str, _url("mqtt", "mqtts")]
ReleaseName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class ApiKeySettings(BaseModel):
    """A key that may use the API: its chain, a name for logs, and the SHA-256 of the key.

    ``role`` or ``scopes`` narrow what it may do (together: both), ``club_ids`` where; a kiosk's
    key says so in ``channel``, so that tariffs not sold there are refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain_id: EntityId
    name: EntityId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
    role: Literal[Role.OWNER, Role.ADMINISTRATOR, Role.CASHIER] = Role.ADMINISTRATOR
    scopes: tuple[Permission, ...] = ()
    club_ids: tuple[EntityId, ...] = ()
    channel: Channel = Channel.CRM

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the key may do."""
        allowed = ROLE_PERMISSIONS[self.role]
        return allowed & frozenset(self.scopes) if self.scopes else allowed


class Settings(BaseSettings):
    """All settings. Build it with :func:`load_settings`, which explains what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )

    env: Environment = Environment.DEVELOPMENT
    redis_url: RedisUrl | None = None
    mqtt_url: MqttUrl | None = None
    mqtt_username: str | None = None
    mqtt_password: SecretStr | None = None
    mqtt_ca_file: Path | None = None
    """Whom to trust as the broker, PEM; handed to PCs too. Without: the system's authorities."""
    pc_mqtt_url: MqttUrl | None = None
    """The broker as PCs reach it; without one they cannot enrol."""
    archive_url: SecretStr | None = None
    """An SQLAlchemy URL; without one, a SQLite file in the state folder."""
    lease_key_file: Path | None = None
    """The private keys that leases and orders for PCs are signed with (``clubctl keys``). Without
    it nothing is signed, and only PCs without pinned keys obey: for development."""
    wake_addresses: dict[EntityId, Annotated[str, AfterValidator(_wakes)]] = {}
    """By club, the IPv4 broadcast address of its network, with a port or without (9), where the
    hosts reach it: they then wake a PC of a hall in which no other is on."""
    state_dir: Path = Path(".clubctl")
    api_host: str = "127.0.0.1"
    api_port: Annotated[int, Field(ge=1, le=65_535)] = 8080
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks of proxies before the API, whose ``X-Forwarded-For`` says who asks."""
    api_keys: tuple[ApiKeySettings, ...] = ()
    jwt_issuer: str | None = None
    """Whose tokens people may sign in with, besides the keys; needs ``jwt_audience`` and
    ``jwt_keys_url``, where the issuer's JWKS is."""
    jwt_audience: str | None = None
    jwt_keys_url: Annotated[str, _url("https", "http")] | None = None
    cookie_secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Signs the hall page's cookies; without one the store keeps one for all API processes."""
    metrics: bool = True
    webhooks_private: bool = False
    """Webhooks may go to this machine and its network, over plain HTTP too; not in production."""
    ray_address: str | None = None
    """An existing Ray to join; without one the controller starts a local one of its own."""
    hosts: Annotated[int, Field(ge=1, le=HOSTS_MAX)] = 2
    speed: Annotated[float, Field(gt=0, le=SPEED_MAX)] = 1.0
    """Business seconds per real second; anything but 1 is for demos and simulations."""
    release: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = version(
        "clubctl"
    )
    verify_every_s: Annotated[float, Field(ge=1)] = 300.0
    """How often the archive process checks the books of every chain, in real seconds."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # passed by name
        cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then the TOML file."""
        config = os.environ.get(CONFIG_VARIABLE)
        first = (sources["init_settings"], sources["env_settings"])
        if config is None:
            return first
        return (*first, TomlConfigSettingsSource(settings_cls, toml_file=Path(config)))

    @model_validator(mode="after")
    def _production_is_explicit(self) -> Self:
        if self.env is not Environment.PRODUCTION:
            return self
        for name in ("redis_url", "mqtt_url", "lease_key_file"):
            if getattr(self, name) is None:
                raise ValueError(f"{PREFIX}{name.upper()} is required in production")
        if self.webhooks_private:
            raise ValueError(f"{PREFIX}WEBHOOKS_PRIVATE must be off in production")
        if self.speed != 1:
            raise ValueError(f"{PREFIX}SPEED must be 1 in production")
        return self

    @model_validator(mode="after")
    def _issuer_is_whole(self) -> Self:
        parts = ("jwt_issuer", "jwt_audience", "jwt_keys_url")
        missing = [name for name in parts if getattr(self, name) is None]
        if missing and len(missing) < len(parts):
            names = ", ".join(PREFIX + name.upper() for name in missing)
            raise ValueError(f"an issuer of tokens needs {names} too")
        return self

    def mqtt_ca_pem(self) -> str:
        """The broker's authority, empty where the system's are trusted. Raises SettingsError."""
        if self.mqtt_ca_file is None:
            return ""
        try:
            return self.mqtt_ca_file.read_text()
        except OSError as error:
            raise SettingsError(f"{PREFIX}MQTT_CA_FILE: {error}") from error

    def wake_to(self) -> dict[str, Address]:
        """By club, where a magic packet for its PCs goes."""
        return {club_id: wake_address(text) for club_id, text in self.wake_addresses.items()}

    @property
    def sql_url(self) -> str:
        """Where the archive is."""
        if self.archive_url is not None:
            return self.archive_url.get_secret_value()
        return f"sqlite:///{self.state_dir.resolve() / 'archive.db'}"

    def shown(self) -> dict[str, str]:
        """Every setting as text, secrets hidden."""
        return {name: _shown(name, getattr(self, name)) for name in type(self).model_fields}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{k}={v}' for k, v in self.shown().items())})"

    __str__ = __repr__


def load_settings(**overrides: object) -> Settings:
    """Read environment and file; ``overrides`` win. Raises SettingsError."""
    config = os.environ.get(CONFIG_VARIABLE)
    if config is not None and not Path(config).is_file():
        raise SettingsError(f"{CONFIG_VARIABLE}: no such file: {config}")
    try:
        return Settings.model_validate(overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(dict(e)) for e in error.errors())) from None
    except ValueError as error:
        # A list that is not JSON, or a file that is not TOML.
        raise SettingsError(str(error)) from error


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and are not: most often a typing error."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def without_password(url: str) -> str:
    """The URL with user and password hidden."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}").geturl()


def _shown(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN
    if name.endswith("_url") and isinstance(value, str):
        return without_password(value)
    if isinstance(value, tuple):
        shown = (f"{one.name} ({one.chain_id})" if name == "api_keys" else one for one in value)
        return ", ".join(map(str, shown)) or "none"
    return "not set" if value is None else str(value)


def _line(error: dict[str, object]) -> str:
    location = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if not isinstance(location, tuple) or not location:
        return message
    field, *inside = map(str, location)
    return f"{PREFIX}{field.upper()}{''.join(f'.{part}' for part in inside)}: {message}"
