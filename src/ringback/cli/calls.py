"""``ringback calls``: list, show, watch."""

import json
import sys
import time
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console

from ringback.cli.client import Client, connect, fail, quoted, show_fields, show_json, show_table
from ringback.cli.ladder import can_draw, draw
from ringback.cli.verdict import what_failed

EVERY_S = 1.0
COLUMNS = {
    "began": "created_at",
    "room": "room",
    "direction": "direction",
    "far end": "remote",
    "name": "display_name",
    "codec": "codec",
    "trunk": "trunk",
    "state": "state",
    "seconds": "duration",
    "how it ended": "sentence",
    "id": "id",
}

app = typer.Typer(help="See calls: those of the past, those of now, one in full.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
InRoom = Annotated[str | None, typer.Option("--room", help="Of this room only.")]


@app.command("list")
def list_calls(
    room: InRoom = None,
    ongoing: Annotated[bool, typer.Option("--ongoing", help="Those of now only.")] = False,
    most: Annotated[int, typer.Option("--most", help="How many, newest first.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """Calls, newest first."""
    rows = list(islice(_calls(connect(), room, ongoing), most))
    if as_json:
        show_json(rows)
    else:
        show_table([_row(call) for call in rows], COLUMNS, "There are no calls.")


@app.command()
def show(
    call: Annotated[str, typer.Argument(help="Its id.")],
    with_ladder: Annotated[
        bool, typer.Option("--ladder", help="Draw what was said on the wire, and say what failed first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One call in full: who, when, how it ended and whose fault that was."""
    client = connect()
    found = client.get(f"/ringback/calls/{quoted(call)}")
    if with_ladder:
        _show_ladder(found, client.get(f"/ringback/calls/{quoted(call)}/trace"), as_json)
        return
    if as_json:
        show_json(found)
        return
    end = found.pop("end") or {}
    sound = {name.replace("_", " "): value for name, value in found.pop("sound").items()}
    show_fields(
        {
            **found,
            "how it ended": end.get("sentence"),
            "reason": end.get("reason"),
            "whose fault": end.get("fault"),
            "SIP status": end.get("sip_status"),
            "Q.850 cause": end.get("q850"),
            **sound,
        }
    )


@app.command()
def watch(room: InRoom = None, as_json: AsJson = False) -> None:
    """A line whenever a call begins, changes or ends, until Ctrl-C."""
    client = connect()
    known = {call["id"]: call for call in _calls(client, room, ongoing=True)}
    for call in known.values():
        _say(call, as_json)
    while True:
        time.sleep(EVERY_S)
        now = {call["id"]: call for call in _calls(client, room, ongoing=True)}
        for call_id, call in now.items():
            if known.get(call_id) != call:
                _say(call, as_json)
        for call_id in known.keys() - now.keys():
            _say(client.get(f"/ringback/calls/{quoted(call_id)}"), as_json)
        known = now


TRANSFER_COLUMNS = {
    "began": "created_at",
    "kind": "kind",
    "to": "to_endpoint",
    "state": "state",
    "how it ended": "complete_status",
    "the call made for it": "to_session_id",
}

TheCall = Annotated[str, typer.Argument(help="Its id.")]


@app.command()
def transfer(
    call: TheCall,
    to: Annotated[str, typer.Argument(metavar="URI_OR_NUMBER", help="sip:user@host, a room's address, +15551234567.")],
    warm: Annotated[bool, typer.Option("--warm", help="The caller waits while you tell of it in the room.")] = False,
    refer: Annotated[bool, typer.Option("--refer", help="Ask the far end to call there itself (SIP REFER).")] = False,
    caller_id: Annotated[str | None, typer.Option(help="The number that is shown.")] = None,
    extension: Annotated[str | None, typer.Option(help="Dialled once it is answered.")] = None,
    wait: Annotated[int | None, typer.Option(help="Seconds before the extension.", min=0, max=60)] = None,
    accept_key: Annotated[str | None, typer.Option(help="With --warm: the key that accepts.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key again does nothing.")] = None,
    as_json: AsJson = False,
) -> None:
    """Move a call to another room, to an address or to a number."""
    if warm and refer:
        fail("--warm and --refer exclude each other")
    client = connect()
    body: dict[str, object] = {"toEndPoint": to}
    given = {"callerId": caller_id, "extension": extension, "waitBeforeExtensionDialSec": wait}
    body |= {name: value for name, value in given.items() if value is not None}
    if warm:
        path = f"/ringback/calls/{quoted(call)}/warm-transfer"
        body |= {"acceptKey": accept_key} if accept_key is not None else {}
    else:
        room = client.get(f"/ringback/calls/{quoted(call)}")["room"]
        path = f"/rooms/{quoted(room)}/{'sipRefer' if refer else 'sipCallTransfer'}"
        body["sessionId"] = call
    answer = client.post(path, body, {"Idempotency-Key": key} if key else None)
    if as_json:
        show_json(answer)
    elif warm:
        typer.echo(f"calling {to}, session {answer['sessionId']}; then: accept, merge or return")
    else:
        typer.echo(f"on its way to {to}; see: ringback calls transfers {call}")


@app.command()
def transfers(call: TheCall, as_json: AsJson = False) -> None:
    """Where a call was transferred to, and how that went."""
    rows = connect().get(f"/ringback/calls/{quoted(call)}/transfers")["data"]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, TRANSFER_COLUMNS, "It was not transferred.")


@app.command()
def accept(call: TheCall) -> None:
    """A warm transfer: connect the caller with whom it goes to."""
    _decide(call, "accept")


@app.command()
def merge(call: TheCall) -> None:
    """A warm transfer: all talk in the room."""
    _decide(call, "merge")


@app.command("return")
def give_back(call: TheCall) -> None:
    """A warm transfer: hang up on whom it was to go to, and take the caller back."""
    _decide(call, "return")


def _decide(call: str, what: str) -> None:
    connect().post(f"/ringback/calls/{quoted(call)}/warm-transfer/{what}", {})
    typer.echo("done")


def _show_ladder(call: Mapping[str, Any], trace: Mapping[str, Any], as_json: bool) -> None:
    messages = trace["messages"]
    if as_json:
        show_json(messages)
    else:
        # Not a terminal: nothing is folded, and nothing coloured.
        console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
        for line in draw(messages, plain=not can_draw(console.encoding)):
            console.print(line, no_wrap=True, overflow="ellipsis", crop=sys.stdout.isatty())
    if trace["dropped"]:
        typer.echo(f"{trace['dropped']} messages in the middle are no longer remembered.", err=as_json)
    if not as_json:
        typer.echo(what_failed(messages, call))


def _calls(client: Client, room: str | None, ongoing: bool) -> Any:
    return client.pages("/ringback/calls", room=room, ongoing="true" if ongoing else None)


def _say(call: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(call, ensure_ascii=False))
        return
    row = _row(call)
    words = [row["room"], row["direction"], row["remote"], row["state"], row["codec"], row["sentence"]]
    line = "  ".join(str(word) for word in words if word)
    typer.echo("".join(character if character.isprintable() else "?" for character in line))


def _row(call: Mapping[str, Any]) -> dict[str, Any]:
    end = call["end"] or {}
    fault = f", fault: {end['fault']}" if end.get("fault") not in (None, "nobody") else ""
    return {**call, "sentence": f"{end['sentence']}{fault}" if end else None}
