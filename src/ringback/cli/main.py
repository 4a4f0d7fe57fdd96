"""The ``ringback`` command. What a subcommand needs is imported when it is run, so that ``--help`` is quick."""

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

# Name → (module below ringback.cli whose ``app`` it is, what it is for).
COMMANDS = {
    "serve": ("serve", "Run the server."),
    "dev": ("dev", "Run the server on your own machine, with a room, a greeter and a self-test."),
    "phone": ("phone", "A SIP phone in the terminal: dial, or wait for a call."),
    "call": ("call", "Make a room call a phone."),
    "calls": ("calls", "See calls: those of the past, those of now, one in full."),
    "doctor": ("doctor", "Check this installation or a trunk, and say the fix."),
    "trunks": ("trunks", "Trunks: carriers and exchanges that calls go out to and come in from."),
    "numbers": ("numbers", "Telephone numbers and the rooms they ring."),
    "dialin": ("dialin", "Who takes calls to numbers: a room by its code, or your program."),
    "carrier": ("carrier", "The pretend carrier: who answers which number; let somebody call you."),
    "audit": ("audit", "Calls that were refused, and why."),
    "rooms": ("rooms", "Rooms: create, change, list, delete, who is there."),
    "tokens": ("tokens", "Meeting tokens: make and read them."),
    "clients": ("clients", "SIP clients: accounts of phones that register here."),
    "usage": ("usage", "Minutes of calls and people, by day, room, trunk, direction or number."),
    "webhooks": ("webhooks", "Webhooks: where events go, what was sent, sending it again."),
    "keys": ("keys", "API keys: make, list and revoke them."),
}


class _Commands(TyperGroup):
    """Lists commands by name and imports one only when it is run."""

    # Typer brings a click of its own, whose types have no public name.

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        about = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=about[1]) if about else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        assert name is not None, "unknown commands have been refused by now"
        module: Any = importlib.import_module(f"ringback.cli.{COMMANDS[name][0]}")
        module.app._add_completion = False  # of a part there is none, and its help need not offer it
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        from ringback import __version__

        typer.echo(f"ringback {__version__}")
        raise typer.Exit


@app.callback()
def ringback(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Rooms on your own machine in which browsers, telephones and voice agents meet."""


def main() -> None:
    """Entry point of the package."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
