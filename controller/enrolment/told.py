"""What enrolled PCs are told, from the settings."""

from controller.enrolment.terms import PcTerms
from controller.settings import PREFIX, Settings, SettingsError


def terms_of(settings: Settings) -> PcTerms | None:
    """The terms, None where PCs cannot enrol. Raises SettingsError for an unreadable CA file."""
    if settings.pc_mqtt_url is None:
        return None
    ca_pem = ""
    if settings.mqtt_ca_file is not None:
        try:
            ca_pem = settings.mqtt_ca_file.read_text()
        except OSError as error:
            raise SettingsError(f"{PREFIX}MQTT_CA_FILE: {error}") from error
    return PcTerms(settings.pc_mqtt_url, ca_pem)
