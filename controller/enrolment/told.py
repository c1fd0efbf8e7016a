"""What enrolled PCs are told, from the settings."""

from controller.enrolment.terms import PcTerms
from controller.settings import Settings


def terms_of(settings: Settings) -> PcTerms | None:
    """The terms, None where PCs cannot enrol. Raises SettingsError for an unreadable CA file."""
    if settings.pc_mqtt_url is None:
        return None
    return PcTerms(settings.pc_mqtt_url, settings.mqtt_ca_pem())
