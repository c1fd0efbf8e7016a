"""How one PC is told who it is and where its broker is: environment or one TOML file."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pc_daemon.lockers import LockerKind
from pc_daemon.monitors import layout_of
from pc_daemon.screen_texts import Language
from schemas.link_port import parse_mqtt_url

CONFIG_VARIABLE = "CLUBCTL_PC_CONFIG"
EntityName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class LastResortKind(StrEnum):
    """What an operator can have done when a PC that must be locked is not."""

    NONE = "none"
    END_SESSION = "end-session"
    COMMAND = "command"


class AgentSettings(BaseSettings):
    """``CLUBCTL_PC_*`` or the TOML file named by ``CLUBCTL_PC_CONFIG``; the environment wins."""

    model_config = SettingsConfigDict(env_prefix="CLUBCTL_PC_", frozen=True, extra="forbid")

    chain_id: EntityName | None = None
    club_id: EntityName
    pc_id: EntityName
    mqtt_url: str = "mqtt://127.0.0.1:1883"
    mqtt_username: str | None = None
    mqtt_password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    api_url: str | None = None
    """The club's API, where this PC was enrolled and renews its secret."""
    api_ca_file: Path | None = None
    keys_file: Path | None = None
    """The public keys that leases and orders are signed with, laid there at enrolment. Without
    it everybody is believed, which is for development only."""
    env: Literal["development", "production"] = "development"
    state_dir: Path = Path(".clubctl/pc")
    locker: LockerKind = LockerKind.NULL
    locker_command: tuple[str, ...] = ()
    language: Language = Language.ENGLISH
    session_user: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Who the screen runs as, where the agent runs as root: somebody the player is not."""
    allow_killable_screen: bool = False
    """Production takes a ``tk`` screen that the player may end only when it is told so."""
    last_resort: LastResortKind | None = None
    """See ``resort``."""
    last_resort_command: tuple[str, ...] = ()
    display: Annotated[str, Field(pattern=r"^:\d{1,3}(\.\d)?$")] | None = None
    """The X display of the player's session, where the agent has none of its own."""
    xauthority: Path | None = None
    monitors: str = ""
    """``WIDTHxHEIGHT+LEFT+TOP,...`` where the system does not tell its monitors."""
    tell_foreground: bool = False
    """Tell the club which program a player uses: off unless the club turns it on (privacy)."""
    heartbeat_s: Annotated[float, Field(ge=0.05, le=300)] = 10.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("mqtt_url")
    @classmethod
    def _is_a_broker(cls, value: str) -> str:
        parse_mqtt_url(value)
        return value

    @field_validator("monitors")
    @classmethod
    def _is_a_layout(cls, value: str) -> str:
        if value:
            layout_of(value)
        return value

    @model_validator(mode="after")
    def _has_its_command(self) -> Self:
        if self.locker is LockerKind.EXEC and not self.locker_command:
            raise ValueError("locker_command: the exec locker needs a command")
        if self.last_resort is LastResortKind.COMMAND and not self.last_resort_command:
            raise ValueError("last_resort_command: the last resort needs its command")
        return self

    @model_validator(mode="after")
    def _is_safe_in_production(self) -> Self:
        if self.env != "production":
            return self
        if not parse_mqtt_url(self.mqtt_url).tls:
            raise ValueError("mqtt_url must be mqtts:// in production")
        if self.keys_file is None:
            raise ValueError("keys_file must name the keys this PC trusts in production")
        if self.locker is LockerKind.NULL:
            raise ValueError("locker must lock something in production")
        if self.locker is LockerKind.TK and not (self.session_user or self.allow_killable_screen):
            raise ValueError(
                "session_user (CLUBCTL_PC_SESSION_USER) must name the user the screen runs as in"
                " production: a screen of the player's own user can be killed by the player;"
                " allow_killable_screen takes that"
            )
        return self

    @property
    def resort(self) -> LastResortKind:
        """What was chosen; else in production on Linux the player's session is ended.

        Windows has a last resort of its own and none of these.
        """
        if self.last_resort is not None:
            return self.last_resort
        ends = self.env == "production" and sys.platform == "linux"
        return LastResortKind.END_SESSION if ends else LastResortKind.NONE

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # called with keywords only
        cls,
        settings_cls: type[BaseSettings],
        *,
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        del dotenv_settings, file_secret_settings
        path = os.environ.get(CONFIG_VARIABLE)
        file = TomlConfigSettingsSource(settings_cls, toml_file=path) if path else None
        return (init_settings, env_settings) + ((file,) if file else ())
