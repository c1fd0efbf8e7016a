"""The ``clubctl`` command: one table of commands, each loaded only when it is called.

Loading Ray, Redis and FastAPI takes seconds, a quote or a help page takes none of them; so the
table holds names, one line of help and where the body lives.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class Deferred:
    """A command not loaded yet. ``attribute`` is a function or a typer application."""

    module: str
    attribute: str
    summary: str


COMMANDS: Final = {
    "demo": Deferred(
        "controller.demo.command",
        "demo_command",
        "A whole chain on this machine: two clubs, their PCs and their players.",
    ),
    "run": Deferred(
        "controller.commands_serve", "run_command", "The controller: shard hosts and coordinator."
    ),
    "drain": Deferred(
        "controller.commands_hosts", "drain_command", "Empty a host and keep it empty."
    ),
    "quarantine": Deferred(
        "controller.commands_hosts", "quarantine_command", "What hosts have set aside."
    ),
    "clock": Deferred("controller.commands_hosts", "clock_command", "What time hosts bill by."),
    "api": Deferred(
        "controller.commands_serve", "api_command", "The API, the hall page and /metrics."
    ),
    "archive": Deferred(
        "controller.commands_serve", "archive_command", "Moves history from the store to SQL."
    ),
    "webhooks": Deferred(
        "controller.commands_webhooks", "webhooks_app", "Tells subscribers what happened."
    ),
    "pc": Deferred(
        "controller.commands_pc", "pc_app", "The agent of this PC; `pc enrol` makes it known."
    ),
    "pcs": Deferred(
        "controller.commands_pcs", "pcs_app", "Lets PCs in, shuts them out, gives them new secrets."
    ),
    "broker": Deferred(
        "controller.commands_broker", "broker_app", "The broker's certificates, rules and upkeep."
    ),
    "sim": Deferred("controller.commands_sim", "sim_app", "Simulated PCs on real connections."),
    "keys": Deferred(
        "controller.commands_keys", "keys_app", "The keys that leases for PCs are signed with."
    ),
    "doctor": Deferred(
        "controller.commands_check", "doctor_command", "What this machine lacks, and how to get it."
    ),
    "verify": Deferred(
        "controller.commands_check",
        "verify_command",
        "Whether balances, ledger, archive and receipts agree.",
    ),
    "backup": Deferred(
        "controller.backup.command", "backup_command", "Store and archive into one checked file."
    ),
    "restore": Deferred(
        "controller.backup.command", "restore_command", "A backup into an empty store and archive."
    ),
    "replay": Deferred(
        "controller.backup.command", "replay_command", "Pay in again what a restore has forgotten."
    ),
    "quote": Deferred(
        "controller.quote", "quote_command", "What a session would cost, segment by segment."
    ),
    "tariff": Deferred("controller.tariff_file", "tariff_app", "Check a tariff file."),
    "import": Deferred(
        "controller.commands_catalogue", "import_command", "A whole club from one file."
    ),
    "export": Deferred(
        "controller.commands_catalogue", "export_command", "A whole club as one file."
    ),
    "chain": Deferred("controller.commands_catalogue", "chain_app", "Make a chain and its key."),
    "bench": Deferred(
        "controller.bench.command", "bench_command", "The benchmarks of BENCHMARKS.md."
    ),
}


class DeferredGroup(TyperGroup):
    """A group whose commands are names with a line of help until one of them is called."""

    def __init__(self, **attrs: Any) -> None:  # noqa: ANN401 - passed through to typer
        super().__init__(**attrs)
        for name, deferred in COMMANDS.items():
            self.add_command(TyperCommand(name, help=deferred.summary))

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - typer keeps the type of its context private
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """Load the command that was asked for, then let typer find it."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = get_command(_application(args[0]))
        return super().resolve_command(ctx, args)


def _application(name: str) -> typer.Typer:
    deferred = COMMANDS[name]
    body = getattr(import_module(deferred.module), deferred.attribute)
    if isinstance(body, typer.Typer):
        return body
    single = typer.Typer(add_completion=False)
    single.command(name)(body)
    return single


app = typer.Typer(
    name="clubctl",
    cls=DeferredGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it with the flag's value
    if asked:
        from importlib.metadata import version

        typer.echo(f"clubctl {version('clubctl')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """The control plane for chains of computer clubs."""


def main() -> None:
    """Entry of the ``clubctl`` script."""
    app()


if __name__ == "__main__":
    main()
