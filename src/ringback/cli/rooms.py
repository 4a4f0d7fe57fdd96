"""``ringback rooms``: list, create, show, update, delete."""

from typing import Annotated, Any

import typer

from ringback.cli.client import connect, parse_properties, quoted, show_fields, show_json, show_table

app = typer.Typer(help="Rooms: create, change, list, delete, who is there.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Name = Annotated[str, typer.Argument(help="Name of the room.")]
Properties = Annotated[
    list[str] | None,
    typer.Argument(help="Properties as name=value; a dot goes one level down, null resets.", metavar="NAME=VALUE…"),
]
SipFlag = Annotated[bool, typer.Option("--sip", help="Give it a SIP address that phones can dial.")]
DialoutFlag = Annotated[bool, typer.Option("--dialout", help="Let it call phones.")]


@app.command("list")
def list_rooms(as_json: AsJson = False) -> None:
    """All rooms, newest first, and how many people are in each."""
    client = connect()
    rooms = list(client.pages("/rooms"))
    if as_json:
        show_json(rooms)
        return
    people = client.get("/presence")
    rows = [{**_row(room), "people": len(people.get(room["name"], []))} for room in rooms]
    columns = {
        "name": "name",
        "privacy": "privacy",
        "people": "people",
        "SIP": "sip",
        "dial-out": "dialout",
        "url": "url",
    }
    show_table(rows, columns, "There are no rooms; make one with: ringback rooms create NAME")


@app.command()
def create(
    name: Annotated[str | None, typer.Argument(help="Its name; one is made up when left out.")] = None,
    properties: Properties = None,
    private: Annotated[bool, typer.Option("--private", help="Only with a token.")] = False,
    sip: SipFlag = False,
    dialout: DialoutFlag = False,
    as_json: AsJson = False,
) -> None:
    """Make a room."""
    if name is not None and "=" in name:
        properties, name = [name, *(properties or [])], None
    body: dict[str, object] = {"properties": _wanted(properties, sip, dialout)}
    if name is not None:
        body["name"] = name
    if private:
        body["privacy"] = "private"
    _show(connect().post("/rooms", body), as_json)


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """One room, and who is in it."""
    client = connect()
    room = client.get(f"/rooms/{quoted(name)}")
    if as_json:
        show_json(room)
        return
    _show(room, as_json)
    people = client.get(f"/rooms/{quoted(name)}/presence")["data"]
    typer.echo()
    columns = {"name": "userName", "user id": "userId", "since": "joinTime", "seconds": "duration", "id": "id"}
    show_table(people, columns, "Nobody is there.")


@app.command()
def update(
    name: Name,
    properties: Properties = None,
    privacy: Annotated[str | None, typer.Option(help="public or private.")] = None,
    sip: SipFlag = False,
    dialout: DialoutFlag = False,
    as_json: AsJson = False,
) -> None:
    """Change what is named; the rest stays."""
    body: dict[str, object] = {"properties": _wanted(properties, sip, dialout)}
    if privacy is not None:
        body["privacy"] = privacy
    _show(connect().post(f"/rooms/{quoted(name)}", body), as_json)


@app.command()
def delete(name: Name, as_json: AsJson = False) -> None:
    """Delete a room; whoever is in it is thrown out."""
    answer = connect().delete(f"/rooms/{quoted(name)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"deleted {name}")


def _wanted(properties: list[str] | None, sip: bool, dialout: bool) -> dict[str, object]:
    wanted = parse_properties(properties or [])
    if sip:
        wanted.setdefault("sip", {"sip_mode": "dial-in", "display_name": "Phone"})
    if dialout:
        wanted.setdefault("enable_dialout", True)
    return wanted


def _show(room: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(room)
        return
    config = dict(room["config"])
    sip_uri = config.pop("sip_uri", {})
    code, number = config.pop("dialin_code", None), config.pop("dialin_number", None)
    show_fields(
        {
            "name": room["name"],
            "url": room["url"],
            "privacy": room["privacy"],
            "SIP address": sip_uri.get("endpoint"),
            "more addresses": " ".join(sip_uri.get("extra_endpoints", [])),
            "telephone": f"{number or 'a number of yours'}, then {code}#" if code else None,
            "created": room["created_at"],
            "properties": config,
        }
    )


def _row(room: dict[str, Any]) -> dict[str, object]:
    config = room["config"]
    return {
        "name": room["name"],
        "privacy": room["privacy"],
        "sip": config.get("sip_uri", {}).get("endpoint"),
        "dialout": "yes" if config.get("enable_dialout") else "",
        "url": room["url"],
    }
