"""The agent as a Windows service: ``clubctl-pc-service install``, then ``start``.

Its settings come from the file named by ``CLUBCTL_PC_CONFIG`` in the machine's environment. It
starts with Windows, and Windows starts it again whenever it ends unasked.
"""

import sys

if sys.platform == "win32":
    import asyncio
    import logging
    from collections.abc import Sequence
    from concurrent.futures import ThreadPoolExecutor
    from typing import Final

    import servicemanager
    import win32service
    import win32serviceutil

    from pc_daemon.main import serve
    from pc_daemon.settings import AgentSettings
    from pc_daemon.windows_rights import shut_folder
    from schemas.device import PresenceReason

    _FORGIVEN_AFTER_S: Final = 86_400
    _STOPS_WITHIN_MS: Final = 10_000

    class _EventLog(logging.Handler):
        """What an operator should see, in Windows' own log: a service has no standard error."""

        def emit(self, record: logging.LogRecord) -> None:
            """See ``logging.Handler``."""
            is_error = record.levelno >= logging.ERROR
            log = servicemanager.LogErrorMsg if is_error else servicemanager.LogWarningMsg
            try:
                log(self.format(record))
            except Exception:  # noqa: BLE001 - whatever it is, logging has its own way with it
                self.handleError(record)

    class AgentWindowsService(win32serviceutil.ServiceFramework):
        """What the service manager sees."""

        _svc_name_ = "clubctl-pc"
        _svc_display_name_ = "clubctl agent"
        _svc_description_ = "Locks and unlocks this gaming PC as its club says."

        def __init__(self, args: list[str]) -> None:
            super().__init__(args)
            # To ``threading`` this is the main thread, to the interpreter it is not: a loop that
            # is made here falls between the two.
            self._worker = ThreadPoolExecutor(max_workers=1)
            self._loop = self._worker.submit(asyncio.new_event_loop).result()
            self._ended = asyncio.Event()
            self._reason = PresenceReason.AGENT_STOPPED

        def SvcStop(self) -> None:  # noqa: N802 - the framework's name
            """Stop: the screen stays as it is."""
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=_STOPS_WITHIN_MS)
            self._loop.call_soon_threadsafe(self._ended.set)

        def SvcShutdown(self) -> None:  # noqa: N802 - the framework's name
            """The PC goes down."""
            self._reason = PresenceReason.SHUTDOWN
            self.SvcStop()

        def SvcDoRun(self) -> None:  # noqa: N802 - the framework's name
            """Run until stopped. Raises what keeps the agent from running: Windows tries again."""
            servicemanager.LogInfoMsg(f"{self._svc_name_} starts")
            settings = AgentSettings()
            logging.basicConfig(level=settings.log_level, handlers=[_EventLog(logging.WARNING)])
            if not settings.state_dir.is_absolute():
                raise ValueError("state_dir must be a full path: a service stands nowhere")
            shut_folder(settings.state_dir)
            serving = serve(settings, self._ended, lambda: self._reason)
            self._worker.submit(self._loop.run_until_complete, serving).result()

    def keep_running(_options: Sequence[tuple[str, str]] = ()) -> None:
        """Have Windows start the service with itself, and again at once however it ended."""
        manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_CONNECT)
        name = AgentWindowsService._svc_name_
        service = win32service.OpenService(manager, name, win32service.SERVICE_ALL_ACCESS)
        unchanged = win32service.SERVICE_NO_CHANGE
        win32service.ChangeServiceConfig(
            service,
            unchanged,
            win32service.SERVICE_AUTO_START,
            unchanged,
            None,
            None,
            False,  # noqa: FBT003 - its signature
            None,
            None,
            None,
            None,
        )
        again = {
            "ResetPeriod": _FORGIVEN_AFTER_S,
            "RebootMsg": None,
            "Command": None,
            "Actions": [(win32service.SC_ACTION_RESTART, 0)] * 3,
        }
        what = win32service.SERVICE_CONFIG_FAILURE_ACTIONS
        win32service.ChangeServiceConfig2(service, what, again)
        # Otherwise only a process that is gone counts, not an agent that ends with an error.
        what = win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG
        win32service.ChangeServiceConfig2(service, what, True)  # noqa: FBT003 - its signature

    def main() -> None:
        """Install, start, stop or remove the service."""
        sys.exit(
            win32serviceutil.HandleCommandLine(
                AgentWindowsService, customOptionHandler=keep_running
            )
        )

else:

    def main() -> None:
        """Say that this is not Windows."""
        sys.exit("The Windows service runs on Windows; elsewhere use the systemd unit.")


if __name__ == "__main__":
    main()
