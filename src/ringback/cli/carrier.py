"""``ringback carrier``: the pretend telephone network of ``ringback dev``, or one by itself."""

import asyncio
import signal
from typing import Annotated

import typer

from ringback.cli.client import connect, quoted, show_json, show_table
from ringback.cli.fail import fail
from ringback.cli.loop import run
from ringback.cli.pretend import HOST, pretend_carrier
from ringback.testing.carrier import PretendCarrier
from ringback.testing.carrier.desk import CarrierDesk
from ringback.testing.carrier.directory import PATTERNS

app = typer.Typer(help="The pretend carrier: people who answer numbers of fiction, and who call.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]


@app.command()
def numbers(as_json: AsJson = False) -> None:
    """Who answers which number."""
    rows = CarrierDesk(PretendCarrier()).people()
    if as_json:
        show_json(rows)
        return
    show_table([dict(row) for row in rows], {"number": "number", "who": "persona", "what they do": "about"}, "")
    typer.echo(
        "\nThe same people answer these endings in every area code of +1 (… 555 01xx), at +44 20 7946 00xx and at"
        " +44 7700 9000xx;\nsome at +61 491 570 xxx. All of these are kept free for fiction: nobody real has them."
    )


@app.command()
def call(
    to: Annotated[str, typer.Argument(metavar="NUMBER", help="A number that rings a room, or a sip: address.")],
    persona: Annotated[str, typer.Option("--as", help="Who calls: a name of 'ringback carrier numbers'.")] = "talks",
    from_: Annotated[str, typer.Option("--from", help="The number they show.")] = "+12125550199",
    as_json: AsJson = False,
) -> None:
    """Let a pretend person call you."""
    row = connect().post("/ringback/pretend/calls", {"to": to, "persona": persona, "from": from_})
    if as_json:
        show_json(row)
    else:
        typer.echo(f"call {row['id']}: {from_} calls {to} and {persona}; see it with: ringback carrier calls")


@app.command()
def calls(as_json: AsJson = False) -> None:
    """The pretend people's calls, newest first."""
    rows = connect().get("/ringback/pretend/calls")["data"]
    if as_json:
        show_json(rows)
        return
    columns = {
        "id": "id", "way": "direction", "number": "number", "other": "other", "state": "state", "seconds": "seconds",
        "keys heard": "keys", "status": "status", "heard": "packets_heard",
    }  # fmt: skip
    show_table(rows, columns, "Nobody has called yet; begin with: ringback call +12125550101 --room hello")


@app.command("hang-up")
def hang_up(call: Annotated[str, typer.Argument(help="Its id in 'ringback carrier calls'.")]) -> None:
    """Let a pretend person hang up."""
    row = connect().delete(f"/ringback/pretend/calls/{quoted(call)}")
    typer.echo(f"call {row['id']} is over")


@app.command("run")
def run_carrier(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(help="Port for SIP; 0 takes any free one.", min=0, max=65535)] = 5060,
    server: Annotated[str, typer.Option(help="host:port that its people call.")] = "127.0.0.1:5060",
    seed: Annotated[int | None, typer.Option(help="Decides every chance; the same each time.")] = None,
) -> None:
    """Run a pretend carrier by itself, for a server that is no 'ringback dev'. A line per event; Ctrl-C ends it."""
    run(_run(host, port, server, seed))


async def _run(host: str, port: int, server: str, seed: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with pretend_carrier(host, port, seed) as carrier:
            carrier.server = server
            carrier.events.listeners.append(lambda event: print(event, flush=True))
            print(_introduction(carrier), flush=True)
            await stop.wait()
    except OSError as error:
        fail(f"the pretend carrier cannot listen on {host}:{port}: {error.strerror or error}")


def _introduction(carrier: PretendCarrier) -> str:
    """Where it is, and the trunk that leads numbers of fiction to it, as it stands in ``ringback.toml``."""
    rules = "".join(f'  {{ match = "{pattern}" }},\n' for pattern in PATTERNS)
    return (
        f"The pretend carrier listens at {carrier.address}. Its trunk, for ringback.toml:\n\n"
        f'[[trunks]]\nname = "pretend"\nhosts = ["{carrier.address}"]\npriority = 1\ntrusted = true\n'
        f'outbound_rules = [\n{rules}  {{ match = "*", deny = true }},\n]\n'
    )
