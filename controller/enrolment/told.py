"""What enrolled PCs are told, from the settings."""

from functools import partial
from pathlib import Path

from actors.signing_keys import load_signing_keys
from controller.enrolment.terms import PcTerms
from controller.settings import Settings
from schemas.trust import KeysDocument


def terms_of(settings: Settings) -> PcTerms | None:
    """The terms, None where PCs cannot enrol. Raises SettingsError for an unreadable CA file."""
    if settings.pc_mqtt_url is None:
        return None
    keys = partial(_keys, settings.lease_key_file)
    return PcTerms(settings.pc_mqtt_url, settings.mqtt_ca_pem(), keys=keys)


def _keys(file: Path | None) -> KeysDocument | None:
    """The newest list, as it is on disk now: keys rotate. Raises KeyFileError."""
    return None if file is None else load_signing_keys(file).public
