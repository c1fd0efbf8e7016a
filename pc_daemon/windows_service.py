"""The agent as a Windows service: ``clubctl-pc-service install``, then ``start``.

Its settings come from the file named by ``CLUBCTL_PC_CONFIG`` in the machine's environment. The
service manager restarts it (see docs/agent.md for the recovery options to set).
"""

import sys

if sys.platform == "win32":
    import asyncio

    import servicemanager
    import win32service
    import win32serviceutil

    from pc_daemon.main import configure_logging, serve
    from pc_daemon.settings import AgentSettings
    from schemas.device import PresenceReason

    class AgentWindowsService(win32serviceutil.ServiceFramework):
        """What the service manager sees."""

        _svc_name_ = "clubctl-pc"
        _svc_display_name_ = "clubctl agent"
        _svc_description_ = "Locks and unlocks this gaming PC as its club says."

        def __init__(self, args: list[str]) -> None:
            super().__init__(args)
            self._loop = asyncio.new_event_loop()
            self._ended = asyncio.Event()
            self._reason = PresenceReason.AGENT_STOPPED

        def SvcStop(self) -> None:  # noqa: N802 - the framework's name
            """Stop: the screen stays as it is."""
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING)
            self._loop.call_soon_threadsafe(self._ended.set)

        def SvcShutdown(self) -> None:  # noqa: N802 - the framework's name
            """The PC goes down."""
            self._reason = PresenceReason.SHUTDOWN
            self.SvcStop()

        def SvcDoRun(self) -> None:  # noqa: N802 - the framework's name
            """Run until stopped."""
            servicemanager.LogInfoMsg(f"{self._svc_name_} starts")
            settings = AgentSettings()
            configure_logging(settings)
            self._loop.run_until_complete(serve(settings, self._ended, lambda: self._reason))

    def main() -> None:
        """Install, start, stop or remove the service."""
        win32serviceutil.HandleCommandLine(AgentWindowsService)

else:

    def main() -> None:
        """Say that this is not Windows."""
        sys.exit("The Windows service runs on Windows; elsewhere use the systemd unit.")


if __name__ == "__main__":
    main()
