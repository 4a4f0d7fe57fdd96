"""``ringback dialin``: who takes the calls to a number or a fixed address: a code and a room, or your own program."""

from typing import Annotated, Any

import typer

from ringback.cli.client import connect, parse_properties, quoted, show_fields, show_json, show_table

app = typer.Typer(
    help="Calls to numbers and fixed addresses: asked for a room's code, or held for your program.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id from: ringback dialin list")]
Label = Annotated[str | None, typer.Option("--name", help="A name for people.")]
WHAT = {"pin_dialin": "asks for a code", "pinless_dialin": "asks your program"}


@app.command("list")
def list_configs(as_json: AsJson = False) -> None:
    """All dial-in configurations, newest first."""
    rows = list(connect().pages("/domain-dialin-config"))
    if as_json:
        show_json(rows)
        return
    columns = {"id": "id", "does": "does", "number": "phone_number", "address": "sip_uri", "name": "name_prefix"}
    empty = "Nothing takes calls to numbers; begin with: ringback dialin add-code +NUMBER, or: add-program URL"
    show_table([{"id": row["id"], "does": WHAT.get(row["type"]), **row["config"]} for row in rows], columns, empty)


@app.command("add-code")
def add_code(
    number: Annotated[str, typer.Argument(help="A number of yours, E.164.")],
    greeting: Annotated[str | None, typer.Option(help="Spoken to who calls, before the code is asked for.")] = None,
    name: Label = None,
    as_json: AsJson = False,
) -> None:
    """Ask who calls a number for a room's code (a room with the property dialin has one)."""
    spoken = {"ivr_greeting": {"message": greeting}} if greeting else {}
    _create("pin_dialin", {"phone_number": number, "name_prefix": name, **spoken}, as_json)


@app.command("add-program")
def add_program(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where each call is POSTed to, signed.")],
    number: Annotated[str | None, typer.Option(help="A number of yours, E.164; else its address alone.")] = None,
    music: Annotated[str | None, typer.Option(help="URL of an MP3 that callers hear while they are held.")] = None,
    message: Annotated[str | None, typer.Option(help="Spoken when nobody took the call in time.")] = None,
    name: Label = None,
    as_json: AsJson = False,
) -> None:
    """Hold who calls a number, or a fixed address, and ask your program which room it is for."""
    body: dict[str, object] = {"phone_number": number, "room_creation_api": url, "hold_music_url": music}
    late = {"timeout_config": {"message": message}} if message else {}
    _create("pinless_dialin", {**body, "name_prefix": name, **late}, as_json)


@app.command()
def show(config: Id, as_json: AsJson = False) -> None:
    """One configuration, with the secret that signs what your program is sent."""
    _show(connect().get(f"/domain-dialin-config/{quoted(config)}"), as_json)


@app.command("set")
def change(
    config: Id,
    fields: Annotated[
        list[str], typer.Argument(help="Fields as name=value, as in hold_music_url=null", metavar="NAME=VALUE…")
    ],
    as_json: AsJson = False,
) -> None:
    """Change the fields that are named."""
    _show(connect().put(f"/domain-dialin-config/{quoted(config)}", parse_properties(fields)), as_json)


@app.command()
def remove(config: Id) -> None:
    """Delete a configuration: its number and its address take no calls any more."""
    connect().delete(f"/domain-dialin-config/{quoted(config)}")
    typer.echo(f"removed {config}")


@app.command()
def trunks(as_json: AsJson = False) -> None:
    """Customers' own trunks (/v1/sip-trunk), whose every call gets a room of its own, newest first."""
    rows = list(connect().pages("/sip-trunk"))
    if as_json:
        show_json(rows)
        return
    shown = [
        {**row, "who": _gate(row["config"]["trunk_config"]), "on": "yes" if row["enabled"] else "no"} for row in rows
    ]
    columns = {"id": "id", "name": "trunk_name", "address": "sip_uri", "on": "on", "who may call": "who"}
    show_table(shown, columns, "There are no customers' trunks; make one with POST /v1/sip-trunk.")


def _create(type: str, fields: dict[str, object], as_json: bool) -> None:
    given = {name: value for name, value in fields.items() if value is not None}
    _show(connect().post("/domain-dialin-config", {"type": type, **given}), as_json)


def _show(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(row)
        return
    config = row["config"]
    show_fields(
        {
            "id": row["id"],
            "does": WHAT.get(row["type"]),
            "number": config.get("phone_number"),
            "address": config.get("sip_uri"),
            "name": config.get("name_prefix"),
            "asks": config.get("room_creation_api"),
            "signs with": config.get("hmac"),
            "music": config.get("hold_music_url"),
            "greets with": config.get("ivr_greeting", {}).get("message"),
            "too late says": config.get("timeout_config", {}).get("message"),
        }
    )


def _gate(config: dict[str, Any]) -> str:
    """In a few words who may call over a trunk."""
    if config["is_open"]:
        return "anybody"
    login = [f"who logs in as {config['credential']['username']}"] if "credential" in config else []
    return ", ".join([*config["allowed_ips"], *login])
