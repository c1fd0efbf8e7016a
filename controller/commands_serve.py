"""``clubctl run``, ``api``, ``archive`` and ``pc``: a club's processes, told by the environment."""

from actors.logs import configure_logs
from controller.command_settings import connected_settings, misconfigured, settings_or_exit
from controller.ray_key import share_ray_key
from controller.settings import Settings, SettingsError, load_settings


def run_command() -> None:
    """The controller: joins or starts Ray, keeps its shard hosts alive and hands out shards."""
    settings = connected_settings()
    configure_logs(settings.log_level)
    _share_ray_key(settings)
    from controller.supervise import run_controller

    try:
        run_controller(settings)
    except SettingsError as error:
        misconfigured(str(error))


def api_command() -> None:
    """The API, the hall page and /metrics."""
    settings = settings_or_exit(load_settings)
    configure_logs(settings.log_level)
    _share_ray_key(settings)
    from controller.api.serve import run_api

    run_api(settings)


def _share_ray_key(settings: Settings) -> None:
    try:
        share_ray_key(settings)
    except OSError as error:
        misconfigured(f"CLUBCTL_STATE_DIR: {error}")


def archive_command() -> None:
    """Moves history from the store to the SQL archive, and trims the store behind it."""
    from controller.archive import ArchiveError
    from controller.archive_process import run_archive

    settings = connected_settings()
    configure_logs(settings.log_level)
    try:
        run_archive(settings)
    except ArchiveError as error:
        misconfigured(str(error))


def pc_command() -> None:
    """The agent of this gaming PC, configured by CLUBCTL_PC_* or CLUBCTL_PC_CONFIG."""
    from pc_daemon.main import run_agent
    from pc_daemon.settings import AgentSettings

    run_agent(settings_or_exit(AgentSettings))
