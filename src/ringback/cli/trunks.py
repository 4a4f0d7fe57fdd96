"""``ringback trunks``: the carriers and exchanges that calls go out to and come in from. Needs the operator's key."""

from typing import Annotated, Any

import typer

from ringback.cli.client import connect, parse_properties, quoted, show_fields, show_json, show_table
from ringback.cli.fail import fail

app = typer.Typer(help="Trunks: carriers and exchanges. Needs the operator's key.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Name = Annotated[str, typer.Argument(help="Name of the trunk.")]
Fields = Annotated[
    list[str] | None,
    typer.Argument(
        help="Fields as name=value; a dot goes one level down, lists are JSON, null resets.", metavar="NAME=VALUE…"
    ),
]
LISTS = ("hosts", "networks", "media_networks", "domains", "codecs", "caller_ids")


@app.command("list")
def list_trunks(as_json: AsJson = False) -> None:
    """All trunks and how they are."""
    rows = connect().get("/ringback/trunks")["data"]
    if as_json:
        show_json(rows)
        return
    columns = {
        "name": "name",
        "hosts": "hosts",
        "transport": "transport",
        "state": "state",
        "calls": "calls",
        "": "why",
    }
    show_table([_row(row) for row in rows], columns, "There are no trunks; add one with: ringback trunks add NAME")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """One trunk, without its secrets."""
    _show(connect().get(f"/ringback/trunks/{quoted(name)}"), as_json)


@app.command()
def add(name: Name, fields: Fields = None, as_json: AsJson = False) -> None:
    """Make a trunk, as in: add acme hosts=sip.acme.example credentials.username=me credentials.password=secret."""
    _show(connect().post("/ringback/trunks", {"name": name, **_fields(fields)}), as_json)


@app.command("set")
def change(name: Name, fields: Fields = None, as_json: AsJson = False) -> None:
    """Change the fields that are named; calls that run go on."""
    _show(connect().post(f"/ringback/trunks/{quoted(name)}", _fields(fields)), as_json)


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Delete a trunk; calls that run go on."""
    answer = connect().delete(f"/ringback/trunks/{quoted(name)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"removed {name}")


@app.command()
def test(name: Name, as_json: AsJson = False) -> None:
    """Ask its hosts now whether they are there (OPTIONS). Exit status 1 when none is."""
    answer = connect().post(f"/ringback/trunks/{quoted(name)}/check")
    hosts: dict[str, Any] = answer["state"]["hosts"]
    if as_json:
        show_json(answer)
    else:
        rows = [{"host": host, **health} for host, health in hosts.items()]
        show_table(rows, {"host": "host", "state": "state", "why": "why", "ms": "round_trip_ms"}, "It has no hosts.")
    if hosts and all(health["state"] != "up" for health in hosts.values()):
        raise typer.Exit(1)


@app.command("dry-run")
def dry_run(
    name: Name,
    number: Annotated[str, typer.Argument(help="The number that is dialled.")],
    inbound: Annotated[bool, typer.Option("--inbound", help="As if it came in over the trunk.")] = False,
    as_json: AsJson = False,
) -> None:
    """What its rules make of a number; nothing is called. Exit status 1 when it is refused."""
    body = {"number": number, "direction": "inbound" if inbound else "outbound"}
    answer = connect().post(f"/ringback/trunks/{quoted(name)}/dry-run", body)
    if as_json:
        show_json(answer)
    else:
        for step in answer["steps"]:
            typer.echo(f"rule {step['rule']}  {step['match']} → {step['number']}")
        shown = {name: value for name, value in answer.items() if name not in ("steps", "direction")}
        show_fields(shown)
    if answer["refused"]:
        raise typer.Exit(1)


@app.command()
def profiles(as_json: AsJson = False) -> None:
    """Known carriers: start from one with profile=NAME."""
    rows = connect().get("/ringback/trunk-profiles")["data"]
    if as_json:
        show_json(rows)
        return
    show_table(rows, {"profile": "name", "carrier": "title", "hosts": "host", "checked": "checked"}, "")


def _fields(pairs: list[str] | None) -> dict[str, object]:
    fields = parse_properties(pairs or [])
    for name in LISTS:
        value = fields.get(name)
        if isinstance(value, str | int):
            fields[name] = [part.strip() for part in str(value).split(",")]
    if "name" in fields:
        fail("the name stands before the fields, as in: ringback trunks add acme hosts=sip.acme.example")
    return fields


def _row(trunk: dict[str, Any]) -> dict[str, object]:
    hosts: dict[str, Any] = trunk["state"]["hosts"]
    states = {health["state"] for health in hosts.values()}
    state = "off" if not trunk["enabled"] else "up" if "up" in states else "down" if "down" in states else "unknown"
    why = next((health["why"] for health in hosts.values() if health["state"] == "down"), "")
    return {
        "name": trunk["name"],
        "hosts": " ".join(_host(host) for host in trunk["hosts"]) or "(inbound only)",
        "transport": trunk["transport"],
        "state": state,
        "calls": trunk["state"]["calls"],
        "why": trunk.get("warning") or why,
    }


def _host(host: dict[str, Any]) -> str:
    return f"{host['host']}:{host['port']}" if host["port"] else str(host["host"])


def _show(trunk: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(trunk)
    else:
        show_fields(trunk)
