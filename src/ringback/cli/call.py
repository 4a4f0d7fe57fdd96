"""``ringback call``: a room calls a phone."""

import re
import time
from typing import Annotated, Any

import typer

from ringback.cli.client import Client, connect, fail, quoted, show_json

NUMBER = re.compile(r"\+?[0-9 ().*#/-]+")
EVERY_S = 0.3
GIVE_UP_S = 90.0

app = typer.Typer()


@app.command()
def call(
    to: Annotated[str, typer.Argument(metavar="URI_OR_NUMBER", help="sip:user@host, or +15551234567.")],
    room: Annotated[str, typer.Option("--room", help="The room that calls.")],
    name: Annotated[str | None, typer.Option("--name", help="What the phone is called in the room.")] = None,
    codec: Annotated[list[str] | None, typer.Option(help="OPUS, G722, PCMU, PCMA; again for more.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key again rings nobody again.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is answered or over.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the server answers.")] = False,
) -> None:
    """Make a room call a phone. Ends with 0 once the phone has answered, with 1 when it did not."""
    body: dict[str, object] = {"phoneNumber": to} if NUMBER.fullmatch(to) else {"sipUri": _address(to)}
    if name is not None:
        body["displayName"] = name
    if codec:
        body["codecs"] = {"audio": [one.upper() for one in codec]}
    client = connect()
    headers = {"Idempotency-Key": key} if key else None
    answer = client.post(f"/rooms/{quoted(room)}/dialOut/start", body, headers)
    if as_json and not wait:
        show_json(answer)
    if not wait:
        if not as_json:
            typer.echo(f"calling {to}, session {answer['sessionId']}")
        return
    _follow(client, answer["sessionId"], as_json)


def _address(to: str) -> str:
    return to if to.startswith(("sip:", "sips:")) else f"sip:{to}"


def _follow(client: Client, call_id: str, as_json: bool) -> None:
    state = None
    for _ in range(int(GIVE_UP_S / EVERY_S)):
        record: dict[str, Any] = client.get(f"/ringback/calls/{quoted(call_id)}")
        if record["state"] != state and not as_json:
            typer.echo(f"{record['state']}{' ' + record['codec'] if record['codec'] else ''}")
        state = record["state"]
        if state in ("answered", "ended"):
            break
        time.sleep(EVERY_S)
    if as_json:
        show_json(record)
    elif state == "answered":
        typer.echo(f"It goes on; see it with: ringback calls show {call_id}")
    if record["answered_at"] is None:
        end = record["end"] or {"sentence": "it still rings"}
        fail(end["sentence"])
