"""Settings for a command, or one clear line per wrong field and exit code 2."""

from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from actors.signing_keys import KeyFileError, load_signing_keys
from controller.settings import Settings, SettingsError, load_settings
from schemas.trust import KeysDocument

EXIT_MISCONFIGURED: Final = 2
S = TypeVar("S")


def settings_or_exit(load: Callable[[], S]) -> S:
    """What ``load`` reads; a SettingsError or ValidationError ends the command."""
    try:
        return load()
    except SettingsError as error:
        misconfigured(str(error))
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        misconfigured("\n".join(lines))


def connected_settings() -> Settings:
    """The settings of a command that joins running servers: both URLs are there."""
    settings = settings_or_exit(load_settings)
    for name in ("redis_url", "mqtt_url"):
        if getattr(settings, name) is None:
            misconfigured(f"CLUBCTL_{name.upper()} says where the club's server is; it is not set")
    return settings


def public_keys(settings: Settings) -> KeysDocument | None:
    """The keys PCs are enrolled with now; None where nothing is signed. Exits when unreadable."""
    if settings.lease_key_file is None:
        return None
    try:
        return load_signing_keys(settings.lease_key_file).public
    except KeyFileError as error:
        misconfigured(f"CLUBCTL_LEASE_KEY_FILE: {error}")


def misconfigured(text: str) -> NoReturn:
    """End the command with what is wrong."""
    typer.echo(text, err=True)
    raise typer.Exit(EXIT_MISCONFIGURED)
