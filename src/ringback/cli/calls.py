"""``ringback calls``: list, show, watch."""

import json
import sys
import time
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console

from ringback.cli.client import Client, connect, quoted, show_fields, show_json, show_table
from ringback.cli.fail import fail
from ringback.cli.ladder import can_draw, draw, picture_line
from ringback.cli.plain import plain
from ringback.cli.verdict import advice, what_failed

EVERY_S = 1.0
COLUMNS = {
    "began": "created_at",
    "room": "room",
    "direction": "direction",
    "far end": "remote",
    "name": "display_name",
    "codec": "codec",
    "video": "video_codec",
    "trunk": "trunk",
    "state": "state",
    "seconds": "duration",
    "how it ended": "sentence",
    "id": "id",
}

app = typer.Typer(help="See calls: those of the past, those of now, one in full.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
TheCall = Annotated[str, typer.Argument(help="Its id; 'last' for the newest one.")]
InRoom = Annotated[str | None, typer.Option("--room", help="Of this room only.")]


@app.command("list")
def list_calls(
    room: InRoom = None,
    ongoing: Annotated[bool, typer.Option("--ongoing", help="Those of now only.")] = False,
    trunk: Annotated[str | None, typer.Option("--trunk", help="Over this trunk only.")] = None,
    number: Annotated[str | None, typer.Option("--number", help="That called or showed this number only.")] = None,
    direction: Annotated[str | None, typer.Option("--direction", help="dial-in or dial-out.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="That ended so only: busy, media-timeout, …")] = None,
    most: Annotated[int, typer.Option("--most", help="How many, newest first.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """Calls, newest first."""
    wanted = {"trunk": trunk, "number": number, "direction": direction, "reason": reason}
    rows = list(islice(_calls(connect(), room, ongoing, **wanted), most))
    if as_json:
        show_json(rows)
    else:
        show_table([_row(call) for call in rows], COLUMNS, "There are no calls.")


@app.command()
def show(
    call: TheCall,
    with_ladder: Annotated[
        bool, typer.Option("--ladder", help="Draw what was said on the wire, and say what failed first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One call in full: who, when, how it ended and whose fault that was."""
    client = connect()
    call = _named(client, call)
    found = client.get(f"/ringback/calls/{quoted(call)}")
    if with_ladder:
        _show_ladder(found, client.get(f"/ringback/calls/{quoted(call)}/trace"), as_json)
        return
    if as_json:
        show_json(found)
        return
    to_do = advice(found)
    end = found.pop("end") or {}
    steps, others = found.pop("timeline"), found.pop("others")
    sound = {name.replace("_", " "): value for name, value in found.pop("sound").items()}
    show_fields(
        {
            **found,
            "how it ended": end.get("sentence"),
            "what to do": to_do or None,
            "reason": end.get("reason"),
            "whose fault": end.get("fault"),
            "SIP status": end.get("sip_status"),
            "Q.850 cause": end.get("q850"),
            **sound,
        }
    )
    for step in steps:
        more = {name: value for name, value in step.items() if name not in ("at", "step")}
        typer.echo(plain(f"{step['at']}  {step['step']}  {_facts(more)}".rstrip()))
    for other in others:
        who = other.pop("participant")
        typer.echo(plain(f"with {who}: {_facts({name: value for name, value in other.items() if value})}"))


@app.command()
def why(
    call: TheCall,
    as_json: AsJson = False,
) -> None:
    """Why nobody hears or sees anything in a call, or badly, even once it is over: whose it is, and what to do."""
    client = connect()
    found = client.get(f"/ringback/calls/{quoted(_named(client, call))}/diagnosis")
    if as_json:
        show_json(found)
        return
    for verdict in found["verdicts"]:
        typer.echo(plain(verdict["sentence"]))
        if verdict["code"] != "healthy":
            typer.echo(plain(f"  {verdict['code']}, whose: {verdict['whose']}, way: {verdict['way']}"))
        if verdict["what_to_do"]:
            typer.echo(plain(f"  do: {verdict['what_to_do']}"))
        if verdict["evidence"]:
            typer.echo(plain(f"  seen: {_facts(verdict['evidence'])}"))


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
            if _steps(known.get(call_id)) != _steps(call):
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
    call = _named(client, call)
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
        typer.echo(f"calling {to}, session {answer['sessionId']}; the caller hears music meanwhile. Then one of:")
        for what in ("accept", "merge", "return"):
            typer.echo(f"  ringback calls {what} {call}")
    else:
        typer.echo(f"on its way to {to}; see: ringback calls transfers {call}")


@app.command()
def transfers(call: TheCall, as_json: AsJson = False) -> None:
    """Where a call was transferred to, and how that went."""
    client = connect()
    rows = client.get(f"/ringback/calls/{quoted(_named(client, call))}/transfers")["data"]
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


@app.command()
def hangup(call: TheCall) -> None:
    """End a call, whoever began it."""
    client = connect()
    call = _named(client, call)
    row = client.get(f"/ringback/calls/{quoted(call)}")
    if row["state"] == "ended":
        fail(f"it is over: {row['end']['sentence']}")
    if not row["room"]:
        fail("it is in no room yet: it ends by itself, or when its caller hangs up")
    if row["direction"] == "dial-out":
        client.post(f"/rooms/{quoted(row['room'])}/dialOut/stop", {"sessionId": call})
    else:
        client.post(f"/rooms/{quoted(row['room'])}/eject", {"ids": [call]})
    typer.echo("hung up")


@app.command()
def press(
    call: TheCall,
    keys: Annotated[str, typer.Argument(metavar="KEYS", help="Up to 20 of 0-9, A-D, * and #.")],
    method: Annotated[str, typer.Option(help="auto, telephone-event or sip-info.")] = "auto",
) -> None:
    """Press keys towards the telephone of a call."""
    client = connect()
    call = _named(client, call)
    row = client.get(f"/ringback/calls/{quoted(call)}")
    body = {"sessionId": call, "tones": keys, "method": method}
    client.post(f"/rooms/{quoted(row['room'] or '-')}/dialOut/sendDTMF", body)
    typer.echo("pressed")


def _decide(call: str, what: str) -> None:
    client = connect()
    client.post(f"/ringback/calls/{quoted(_named(client, call))}/warm-transfer/{what}", {})
    typer.echo("done")


def _show_ladder(call: Mapping[str, Any], trace: Mapping[str, Any], as_json: bool) -> None:
    messages, pictures = trace["messages"], trace.get("pictures")
    if as_json:
        show_json(messages)
    else:
        # Not a terminal: nothing is folded, and nothing coloured.
        console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
        for line in draw(messages, not can_draw(console.encoding), pictures):
            console.print(line, no_wrap=True, overflow="ellipsis", crop=sys.stdout.isatty())
    if trace["dropped"]:
        typer.echo(f"{trace['dropped']} messages in the middle are no longer remembered.", err=as_json)
    if not as_json:
        if pictures:
            typer.echo(picture_line(pictures))
        typer.echo(what_failed(messages, call))
        if to_do := advice(call):
            typer.echo(f"  do: {to_do}")


def _named(client: Client, call: str) -> str:
    """The id that is meant: that of the newest call where ``last`` was said."""
    if call != "last":
        return call
    newest = next(iter(_calls(client, None, False)), None)
    if newest is None:
        fail("there are no calls")
    return str(newest["id"])


def _calls(client: Client, room: str | None, ongoing: bool, **wanted: str | None) -> Any:
    return client.pages("/ringback/calls", room=room, ongoing="true" if ongoing else None, **wanted)


def _say(call: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(call, ensure_ascii=False))
        return
    row = _row(call)
    words = [row["room"], row["direction"], row["remote"], row["state"], row["codec"], row["sentence"]]
    typer.echo(plain("  ".join(str(word) for word in [*words, _sounds(call)] if word)))


def _steps(call: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A call without its counters: those of one that goes on change all the time."""
    return {name: value for name, value in (call or {}).items() if name != "sound"}


def _sounds(call: Mapping[str, Any]) -> str:
    """How a call sounds, in a few words."""
    sound = call["sound"]
    if not {"packets_received", "packets_sent", "packets_lost"} <= sound.keys():
        return ""
    mos = f", MOS {sound['mos']:.1f}" if "mos" in sound else ""
    return f"in {sound['packets_received']}, out {sound['packets_sent']}, lost {sound['packets_lost']}{mos}"


def _facts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in values.items())


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _row(call: Mapping[str, Any]) -> dict[str, Any]:
    end = call["end"] or {}
    fault = f", fault: {end['fault']}" if end.get("fault") not in (None, "nobody") else ""
    return {**call, "sentence": f"{end['sentence']}{fault}" if end else None}
