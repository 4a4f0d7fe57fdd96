"""``ringback clients``: accounts of plain SIP phones, which register and call rooms and each other."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ringback.cli.client import Client, connect, quoted, show_fields, show_json, show_table

app = typer.Typer(help="SIP clients: accounts of phones that register here.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answers.")]
Username = Annotated[str, typer.Argument(help="Its user name.")]
Password = Annotated[str | None, typer.Option(help="12 to 64 characters; one is made up when left out.")]

PAGE = 100


@app.command("list")
def list_clients(as_json: AsJson = False) -> None:
    """All accounts, newest first, never with their passwords."""
    rows = list(_all(connect()))
    if as_json:
        show_json(rows)
        return
    shown = [{**row, "numbers": _numbers(row)} for row in rows]
    columns = {"username": "username", "address": "sip_uri", "dials numbers": "numbers", "expires": "expires_at"}
    show_table(shown, columns, "There are no SIP clients; make one with: ringback clients add NAME")


@app.command()
def registered(as_json: AsJson = False) -> None:
    """Where phones are registered now."""
    rows = connect().get("/ringback/registrations")["data"]
    if as_json:
        show_json(rows)
        return
    columns = {"username": "username", "from": "source", "phone": "user_agent", "until": "expires_at"}
    show_table(rows, columns, "No phone is registered.")


@app.command()
def add(
    username: Username,
    password: Password = None,
    expires_in: Annotated[int | None, typer.Option(help="Seconds after which it ends; never when left out.")] = None,
    dial_numbers: Annotated[bool, typer.Option(help="Let its phones call telephone numbers, which costs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account. Its password is printed now and never again."""
    body: dict[str, object] = {"username": username}
    if password is not None:
        body["password"] = password
    if expires_in is not None:
        body["expires_in_seconds"] = expires_in
    if dial_numbers:
        body["ringback"] = {"dial_numbers": True}
    _show(connect().post("/sip-clients", body), as_json)


@app.command()
def show(username: Username, as_json: AsJson = False) -> None:
    """One account."""
    _show(connect().get(f"/sip-clients/{quoted(username)}"), as_json)


@app.command()
def rotate(username: Username, password: Password = None, as_json: AsJson = False) -> None:
    """Give an account another password; phones with the former one are forgotten at once."""
    body = {} if password is None else {"password": password}
    _show(connect().post(f"/sip-clients/{quoted(username)}/rotate", body), as_json)


@app.command()
def numbers(
    username: Username,
    allowed: Annotated[bool, typer.Option("--allow/--forbid", help="Whether its phones may call telephone numbers.")],
    as_json: AsJson = False,
) -> None:
    """Let an account's phones call telephone numbers, which costs, or forbid it again."""
    body = {"ringback": {"dial_numbers": allowed}}
    _show(connect().post(f"/sip-clients/{quoted(username)}", body), as_json)


@app.command()
def delete(username: Username, as_json: AsJson = False) -> None:
    """End an account; its phones can be reached no more."""
    answer = connect().delete(f"/sip-clients/{quoted(username)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"deleted {username}")


def _all(client: Client) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        page = client.get("/sip-clients", limit=PAGE, offset=offset)["sip_clients"]
        yield from page
        if len(page) < PAGE:
            return
        offset += PAGE


def _show(client: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(client)
        return
    show_fields(
        {
            "address": client["sip_uri"],
            "user name": client["username"],
            "password": client.get("password"),
            "server": client["domain"],
            "dials numbers": _numbers(client),
            "expires": client["expires_at"],
        }
    )


def _numbers(client: dict[str, Any]) -> str:
    return "yes" if client.get("ringback", {}).get("dial_numbers") else "no"
