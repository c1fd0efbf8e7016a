"""``clubctl run``, ``api`` and ``pc``: the processes of a club, configured by the environment."""

from controller.command_settings import connected_settings, settings_or_exit
from controller.settings import load_settings


def run_command() -> None:
    """The controller: joins or starts Ray, keeps its shard hosts alive and hands out shards."""
    from controller.supervise import run_controller

    run_controller(connected_settings())


def api_command() -> None:
    """The API, the hall page and /metrics."""
    from controller.api.serve import run_api

    run_api(settings_or_exit(load_settings))


def pc_command() -> None:
    """The agent of this gaming PC, configured by CLUBCTL_PC_* or CLUBCTL_PC_CONFIG."""
    from pc_daemon.main import run_agent
    from pc_daemon.settings import AgentSettings

    run_agent(settings_or_exit(AgentSettings))
